//! The behaviour of Werkzeug 3.1.9 and Flask 3.1.3, row by row, and properties of any input.

mod read;
mod rules;
mod set_cookie_grammar;
mod write;
