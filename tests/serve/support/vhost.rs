//! A virtual host of one test's own: nothing in it is shared, and all of it goes with it.

use std::process::{Command, Stdio};

use super::variable;

/// A virtual host; deleted on drop, also when the test fails.
#[derive(Debug)]
pub(crate) struct Vhost {
    pub(crate) name: String,
    user: Option<String>,
}

impl Vhost {
    /// Makes one for the user of `TESTER_WORKER_TEST_AMQP_URL`.
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("e2e-{test}-{:08x}", uuid::Uuid::new_v4().as_fields().0);
        rabbitmqctl(&["add_vhost", &name]);
        let made = Self { name, user: None };
        made.permit(&credentials().0);
        made
    }

    /// The AMQP URL of the virtual host.
    pub(crate) fn url(&self) -> String {
        let (user, password) = credentials();
        self.url_as(&user, &password, &authority())
    }

    /// The same for another user, or by way of another address.
    pub(crate) fn url_as(&self, user: &str, password: &str, authority: &str) -> String {
        format!("amqp://{user}:{password}@{authority}/{}", self.name)
    }

    /// Adds a user who may do anything here; it goes with the virtual host.
    pub(crate) fn add_user(&mut self, password: &str) -> String {
        let user = self.name.clone();
        rabbitmqctl(&["add_user", &user, password]);
        self.user = Some(user.clone());
        self.permit(&user);
        user
    }

    fn permit(&self, user: &str) {
        rabbitmqctl(&["set_permissions", "-p", &self.name, user, ".*", ".*", ".*"]);
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        // Both are tried; a failure is told, unless the test is failing anyway.
        let vhost = run(&["delete_vhost", &self.name]);
        let user = self.user.as_ref().map_or(Ok(String::new()), |user| run(&["delete_user", user]));
        if !std::thread::panicking() {
            vhost.and(user).expect("delete what the test made in RabbitMQ");
        }
    }
}

/// Host and port of the broker.
pub(crate) fn authority() -> String {
    parts().2
}

fn credentials() -> (String, String) {
    let (user, password, _) = parts();
    (user, password)
}

fn parts() -> (String, String, String) {
    let url = variable("TESTER_WORKER_TEST_AMQP_URL");
    let rest = url.strip_prefix("amqp://").expect("an amqp:// URL");
    let (who, rest) = rest.rsplit_once('@').expect("a user in the URL");
    let (user, password) = who.split_once(':').expect("a password in the URL");
    let authority = rest.split('/').next().unwrap_or_default();
    (user.to_owned(), password.to_owned(), authority.to_owned())
}

/// Runs `rabbitmqctl` on the broker's node and gives what it printed.
pub(crate) fn rabbitmqctl(arguments: &[&str]) -> String {
    run(arguments).unwrap_or_else(|error| panic!("rabbitmqctl {arguments:?}: {error}"))
}

fn run(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(variable("TESTER_WORKER_TEST_RABBITMQCTL"))
        .arg("-q")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|error| error.to_string());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}
