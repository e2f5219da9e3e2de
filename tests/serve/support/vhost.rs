//! A virtual host of one test's own: nothing in it is shared, and all of it goes with it.

use std::process::{Command, Stdio};

use super::variable;

/// A broker to make virtual hosts in.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    user: String,
    password: String,
    /// Host and port.
    pub(crate) authority: String,
    /// The words of a command that runs `rabbitmqctl` on its node.
    ctl: Vec<String>,
}

impl Broker {
    /// A broker by its URL, and `rabbitmqctl` for it.
    pub(crate) fn new(url: &str, ctl: Vec<String>) -> Self {
        let rest = url.strip_prefix("amqp://").expect("an amqp:// URL");
        let (who, rest) = rest.rsplit_once('@').expect("a user in the URL");
        let (user, password) = who.split_once(':').expect("a password in the URL");
        let authority = rest.split('/').next().unwrap_or_default();
        Self { user: user.to_owned(), password: password.to_owned(), authority: authority.to_owned(), ctl }
    }

    /// The one that all tests share.
    pub(crate) fn shared() -> Self {
        let ctl = variable("TESTER_WORKER_TEST_RABBITMQCTL");
        Self::new(&variable("TESTER_WORKER_TEST_AMQP_URL"), vec![ctl])
    }

    /// Runs `rabbitmqctl` on its node; what it printed, or said was wrong.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Result<String, String> {
        let (program, before) = self.ctl.split_first().expect("a command");
        let output = Command::new(program)
            .args(before)
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
}

/// A virtual host; deleted on drop, also when the test fails.
#[derive(Debug)]
pub(crate) struct Vhost {
    pub(crate) name: String,
    broker: Broker,
    user: Option<String>,
}

impl Vhost {
    /// Makes one for the broker's own user.
    pub(crate) fn new(test: &str, broker: Broker) -> Self {
        let name = format!("e2e-{test}-{:08x}", uuid::Uuid::new_v4().as_fields().0);
        broker.ctl(&["add_vhost", &name]).expect("add a virtual host");
        let made = Self { name, broker, user: None };
        made.permit(&made.broker.user);
        made
    }

    /// The AMQP URL of the virtual host.
    pub(crate) fn url(&self) -> String {
        self.url_at(&self.broker.authority)
    }

    /// The same by way of another address.
    pub(crate) fn url_at(&self, authority: &str) -> String {
        self.url_as(&self.broker.user, &self.broker.password, authority)
    }

    /// The same for another user.
    pub(crate) fn url_as(&self, user: &str, password: &str, authority: &str) -> String {
        format!("amqp://{user}:{password}@{authority}/{}", self.name)
    }

    /// Adds a user who may do anything here; it goes with the virtual host.
    pub(crate) fn add_user(&mut self, password: &str) -> String {
        let user = self.name.clone();
        self.broker.ctl(&["add_user", &user, password]).expect("add a user");
        self.user = Some(user.clone());
        self.permit(&user);
        user
    }

    /// Runs `rabbitmqctl` on its node.
    pub(crate) fn rabbitmqctl(&self, arguments: &[&str]) -> String {
        self.broker.ctl(arguments).unwrap_or_else(|error| panic!("rabbitmqctl {arguments:?}: {error}"))
    }

    /// Lets a user do anything here.
    pub(crate) fn permit(&self, user: &str) {
        self.broker.ctl(&["set_permissions", "-p", &self.name, user, ".*", ".*", ".*"]).expect("permit a user");
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        // Both are tried; a failure is told, unless the test is failing anyway.
        let vhost = self.broker.ctl(&["delete_vhost", &self.name]);
        let user = self.user.as_ref().map_or(Ok(String::new()), |user| self.broker.ctl(&["delete_user", user]));
        if !std::thread::panicking() {
            vhost.and(user).expect("delete what the test made in RabbitMQ");
        }
    }
}

/// Host and port of the broker that all tests share.
pub(crate) fn authority() -> String {
    Broker::shared().authority
}

/// Runs `rabbitmqctl` on the shared broker's node and gives what it printed.
pub(crate) fn rabbitmqctl(arguments: &[&str]) -> String {
    Broker::shared().ctl(arguments).unwrap_or_else(|error| panic!("rabbitmqctl {arguments:?}: {error}"))
}
