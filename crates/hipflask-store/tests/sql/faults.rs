//! What an operator is told.
