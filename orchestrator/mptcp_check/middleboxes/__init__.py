"""The lab's middleboxes: pure functions from a frame, a direction and a time to frames.

A behaviour (`behaviour.Behaviour`) does one thing that real boxes were seen to do; a chain
(`chain.Chain`) composes behaviours in the order in which a packet from the client meets them.
Nothing here opens a socket or reads a clock: the carriers in `mptcp_check.machines` do, and the
same chain sits between two virtual machines (`machines.switch`), between two network namespaces
(`machines.veth_wire`), or in a unit test.
"""
