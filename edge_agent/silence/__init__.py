"""What should speak and does not: rules on what devices bring, judged in the store, with or without a network.

    Heard(device, data …) ─▶ a watch's judge: well, ill, or nothing to say
    Tick ─▶ time that passes without a well sign adds up; beyond the rule's time the watch opens (once),
            and the next well sign closes it (once)

Time is the monotonic clock's, as far as this agent was running and, but where a rule says otherwise, the store was
open; the wall clock says only whether it is open. So neither a start, nor a clock that is set, nor a night makes a
device silent at once. A rule opens only while the store is open, and closes whenever the device speaks again.

An open watch is kept in the buffer with its alert's transaction, and so is what long rules have added up, every few
minutes: a restart neither repeats an alert nor forgets to close it.

`core` and `judges` are pure; `watchman` stands between them and the agent.
"""
