//! What must be remembered across restarts; empty until the conversation is stored.
