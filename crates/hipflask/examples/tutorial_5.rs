//! Tutorial 5: everything that a session can do, step by step.
//!
//! Each step is a route. The program prints what the tutorial prints to the console, and also shows it
//! on the page.
//!
//! The tutorial is wrong about Flask:
//!
//! - The server stores nothing in a directory. The session is in the cookie, signed and readable.
//!   (The tutorial describes Flask-Session, which the program does not use.)
//! - The secret key must be random, not encrypted.
//! - Setting a key does not need `session.modified = True`. That is for changes inside a value, which
//!   `edit` notices here.
//! - The next request has the keys in alphabetical order, not in the order of their creation.

use axum::response::Html;
use axum::routing::get;
use hipflask::{App, Dict, Result, Value, context, render_template, repr, session};

#[tokio::main]
async fn main() -> Result<()> {
    app().run_from_args().await?;
    Ok(())
}

/// The program of the tutorial.
pub(crate) fn app() -> App {
    App::new("tutorial_5")
        .secret_key(std::env::var("SECRET_KEY").unwrap_or_else(|_| "secret key".into()))
        .template("home.html", "{% if 'msg' in session %}\n\t{{ session['msg'] }}\n{% endif %}")
        .route("home", "/", get(home))
        .route("get", "/get", get(get_msg))
        .route("update", "/update", get(update))
        .route("pop", "/pop", get(pop))
        .route("several", "/several", get(several))
        .route("items", "/items", get(items))
        .route("clear", "/clear", get(clear))
        .route("item", "/item", get(item))
        .route("item_keys", "/item/keys", get(item_keys))
        .route("item_tuples", "/item/tuples", get(item_tuples))
        .route("item_pop_name", "/item/pop-name", get(item_pop_name))
        .route("item_pop", "/item/pop", get(item_pop))
        .route("nested", "/nested", get(nested))
        .route("nested_pop", "/nested/pop", get(nested_pop))
}

/// Stores a value and shows it in a template.
async fn home() -> Result<Html<String>> {
    let session = session().await?;
    session.set("msg", "Hello")?;
    Ok(render_template("home.html", context! {}).await?)
}

/// `print(session.get('msg'))`
async fn get_msg() -> Result<String> {
    let msg = session().await?.value("msg")?.unwrap_or(Value::None);
    Ok(print([shown(&msg)]))
}

/// Sets a key again.
async fn update() -> Result<String> {
    let session = session().await?;
    session.set("msg", "Hello")?;
    // Not needed, here as in Flask: `set` counts as a change.
    session.set_modified(true)?;
    session.set("msg", "Hello, Soumitra")?;
    Ok(print([shown(&session.value("msg")?.unwrap_or(Value::None))]))
}

/// Removes a key. In Flask a second `session.pop('msg')` is a KeyError; here it gives nothing.
async fn pop() -> Result<String> {
    let session = session().await?;
    session.remove("msg")?;
    Ok(print([shown(&session.value("msg")?.unwrap_or(Value::None))]))
}

/// Several keys.
async fn several() -> Result<String> {
    let session = session().await?;
    session.set("hi", "Hi")?;
    session.set("hello", "Hello")?;
    items().await
}

/// `for key, val in session.items(): print(key, ' -> ', val)`, which puts two spaces on each side.
async fn items() -> Result<String> {
    let items = session().await?.items()?;
    Ok(print(items.iter().map(|(key, val)| format!("{key}  ->  {}", shown(val)))))
}

/// Removes everything.
async fn clear() -> Result<String> {
    session().await?.clear()?;
    Ok(print([]))
}

/// A dict as a value.
async fn item() -> Result<String> {
    let soumitra = Dict::from([("name", "Soumitra"), ("email", "soumitra@email.com"), ("address", "Earth")]);
    session().await?.insert("item", soumitra)?;
    item_keys().await
}

/// `for key, val in session['item'].items(): print(key + ' -> ' + val)`
async fn item_keys() -> Result<String> {
    let item: Dict = session().await?.get("item")?.unwrap_or_default();
    Ok(print(item.iter().map(|(key, val)| format!("{key} -> {}", shown(val)))))
}

/// `for item in session['item'].items(): print(item)`
async fn item_tuples() -> Result<String> {
    let item: Dict = session().await?.get("item")?.unwrap_or_default();
    Ok(print(item.iter().map(|(key, val)| repr(&Value::Tuple(vec![key.clone().into(), val.clone()])))))
}

/// Removes a key inside of a value. Flask loses that without `session.modified = True`.
async fn item_pop_name() -> Result<String> {
    session().await?.edit(|session| session.at("item")?.remove("name"))?;
    item_keys().await
}

/// Removes the whole value, and once more with a default.
async fn item_pop() -> Result<String> {
    let session = session().await?;
    session.remove("item")?;
    session.remove("item")?;
    items().await
}

/// A dict inside of a dict.
async fn nested() -> Result<String> {
    let soumitra = Dict::from([("name", "Soumitra"), ("email", "soumitra@email.com"), ("address", "Earth")]);
    session().await?.insert("item", Dict::from([("key", soumitra)]))?;
    item_tuples().await
}

/// Removes the inner dict. The tutorial omits `session.modified = True`, so Flask shows the dict again in
/// the next request.
async fn nested_pop() -> Result<String> {
    session().await?.edit(|session| session.at("item")?.remove("key"))?;
    item_tuples().await
}

/// The text that Python's `print` shows for a value: strings without quotes.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| repr(value), str::to_owned)
}

/// Prints lines to the console and gives them to the page.
#[expect(clippy::print_stdout, reason = "the tutorial prints to the console")]
fn print(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().collect();
    lines.iter().for_each(|line| println!("{line}"));
    lines.join("\n")
}
