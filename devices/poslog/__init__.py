"""A till's transaction log as ARTS POSLog XML, versions 2 and 6, dropped into a folder."""
