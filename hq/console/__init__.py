"""The console: what HQ knows, for people, in Chinese and English. Pages are made here; browsers only swap parts."""
