//! Reading `Cookie` headers and writing `Set-Cookie`, in the grammar of Werkzeug.
