//! Who talks to whom: tickets, the engine that pairs them, the task that runs it.
