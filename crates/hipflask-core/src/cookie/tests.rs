//! What Werkzeug 3.1.9 and Flask 3.1.3 do, row by row, and what holds for any input.

mod read;
mod rules;
mod set_cookie_grammar;
mod write;
