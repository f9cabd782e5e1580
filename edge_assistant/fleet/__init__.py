"""Many devices under one operator: they enrol by themselves, are watched, told what to be, and cut off.

`agent.py` and what it uses is the device's side; `registrar/` is the operator's, a program of its own.
They meet at the operator's broker, on the topics and with the messages of `wire.py`.
"""
