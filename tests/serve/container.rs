//! A worker in a container of its image, as it is released.

use super::support::bench::Bench;
use super::support::docker::{self, docker};
use super::support::token::SECRET;
use super::support::worker::remove_sandboxes;
use super::support::{free_port, http, until, variable};

/// See the module. Removed with its sandboxes when the test ends.
pub(crate) struct Container {
    pub(crate) name: String,
}

impl Drop for Container {
    fn drop(&mut self) {
        let removed = std::process::Command::new("docker").args(["rm", "-fv", &self.name]).output();
        if let Err(error) = removed {
            eprintln!("the container {} stays: {error}", self.name);
        }
        remove_sandboxes(&self.name);
    }
}

impl Container {
    /// A worker that is ready; `more` are variables besides the usual ones.
    pub(crate) async fn ready(bench: &Bench, more: &[(&str, &str)]) -> Self {
        let image = variable("TESTER_WORKER_TEST_WORKER_IMAGE");
        let container = Self { name: format!("{}-image", bench.vhost.name) };
        let (name, port) = (container.name.as_str(), free_port());
        let (url, listen) = (bench.vhost.url(), format!("127.0.0.1:{port}"));
        let usual = [
            ("TESTER_WORKER__WORKER__ID", name),
            ("TESTER_WORKER__BROKER__URLS", &url),
            ("TESTER_WORKER__SIDECAR__LISTEN", &listen),
            ("WORKER_AUTH_TOKEN", SECRET),
        ];
        let variables: Vec<String> = usual.iter().chain(more).map(|(name, value)| format!("{name}={value}")).collect();
        // The host's network, for the broker of the tests listens on its loopback only.
        let mut arguments = vec!["run", "-d", "--name", name, "--network", "host"];
        arguments.extend(["-v", "/var/run/docker.sock:/var/run/docker.sock"]);
        arguments.extend(variables.iter().flat_map(|variable| ["-e", variable.as_str()]));
        arguments.push(&image);
        docker(&arguments).await;
        let ready = async || http::ready(port).await.filter(|ready| ready.well);
        until("the worker in its container is ready", ready).await;
        container
    }

    /// The worker's process, as the host sees it.
    pub(crate) async fn pid(&self) -> u32 {
        let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &self.name]).await;
        pid.trim().parse().expect("a process id")
    }

    /// Tells it to stop; it must end with 0 and leave nothing.
    pub(crate) async fn stop(self) {
        let name = &self.name;
        docker(&["stop", "--time", "60", name]).await;
        let code = docker(&["inspect", "--format", "{{.State.ExitCode}}", name]).await;
        assert_eq!(code.trim(), "0", "{}", docker(&["logs", name]).await);
        docker::assert_nothing_left(name).await;
    }
}
