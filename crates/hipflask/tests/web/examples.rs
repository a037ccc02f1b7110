//! The examples of the quick starts: a user logs in and out.

use actix_web::App;
use hipflask::Sessions;
use hipflask::test::{TestClient, actix};

#[path = "../../examples/actix_login.rs"]
mod actix_login;
#[path = "../../examples/axum_login.rs"]
#[expect(dead_code, reason = "`main` is not called")]
mod axum_login;

fn sessions() -> Sessions {
    Sessions::builder().secret_key("a secret key for tests").build().unwrap()
}

/// Logs in and out with a client of either framework.
macro_rules! logs_in_and_out {
    ($client:expr) => {
        let mut client = $client;
        assert_eq!(client.get("/").await.text(), "You are not logged in");
        assert_eq!(client.post_form("/login", &[("username", "ada")]).await.status, 303);
        assert_eq!(client.get("/").await.text(), "Logged in as ada");
        assert_eq!(client.post_form("/logout", &[]).await.status, 303);
        assert_eq!(client.get("/").await.text(), "You are not logged in");
    };
}

#[tokio::test]
async fn axum_example_logs_in_and_out() {
    let sessions = sessions();
    logs_in_and_out!(TestClient::new(axum_login::app(&sessions), &sessions));
}

#[actix_web::test]
async fn actix_example_logs_in_and_out() {
    let sessions = sessions();
    let app = App::new().wrap(sessions.middleware()).configure(actix_login::routes);
    let app = actix_web::test::init_service(app).await;
    logs_in_and_out!(TestClient::new(actix(&app), &sessions));
}
