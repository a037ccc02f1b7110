//! What tests of Hipflask share: real Flask as an oracle, recordings, generators.
