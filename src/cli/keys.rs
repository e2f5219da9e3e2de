//! `keys generate`: writes a key pair into two files.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::args::{Keys, Signs};
use super::failure::Failure;
use super::output;
use crate::protocol::keys::Direction;
use crate::protocol::signing::SigningKey;

/// The two files of a key pair.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// The private key, PKCS#8 PEM; only its owner can read it.
    pub private: PathBuf,
    /// A JWKS document with the public key.
    pub public: PathBuf,
}

/// Runs the command.
pub(super) fn run(command: &Keys) -> Result<ExitCode, Failure> {
    let Keys::Generate(options) = command;
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(seed.as_mut()).map_err(|error| Failure::fault(io::Error::other(error)))?;
    let key = SigningKey::from_seed(&options.kid, &seed).map_err(Failure::usage)?;
    let direction = match options.signs {
        Signs::Jobs => Direction::Jobs,
        Signs::Results => Direction::Results,
        Signs::Control => Direction::Control,
    };
    let (Some(pem), Some(jwk)) = (key.to_pem(), key.public_jwk(direction, options.iss.as_deref())) else {
        return Err(Failure::fault(anyhow::anyhow!("the new key has no PEM form")));
    };
    let written = write(&options.out_dir, key.kid(), &SecretString::from(pem.as_str()), &jwk)?;
    output::out_line(&format!(
        "private key  {}  (keep it where only its owner can read it)",
        written.private.display()
    ))?;
    output::out_line(&format!("public key   {}  (JWKS; give it to whoever verifies)", written.public.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `KID.pem` and `KID.jwks.json` into a folder. Neither may exist: a key that is lost cannot be had back.
///
/// # Errors
/// [`Failure`] names the file that exists or cannot be written.
pub fn write(folder: &Path, kid: &str, private_pem: &SecretString, public_jwk: &Value) -> Result<Written, Failure> {
    let private = folder.join(format!("{kid}.pem"));
    let public = folder.join(format!("{kid}.jwks.json"));
    if let Some(taken) = [&private, &public].into_iter().find(|path| path.exists()) {
        return Err(exists(taken));
    }
    let document = format!("{:#}\n", json!({ "keys": [public_jwk] }));
    create(&private, 0o600, private_pem.expose_secret().as_bytes())?;
    create(&public, 0o644, document.as_bytes())?;
    Ok(Written { private, public })
}

fn create(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    match file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        Err(error) => {
            let context = anyhow::Error::new(error).context(format!("cannot write {}", path.display()));
            Err(Failure::fault(context))
        }
    }
}

fn exists(path: &Path) -> Failure {
    let error = anyhow::anyhow!("{} exists, and a key is never overwritten", path.display());
    Failure::usage(error).hint("choose another --kid or --out-dir")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_private_key_is_its_owners_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let pem = SecretString::from("-----BEGIN PRIVATE KEY-----\n");
        let jwk = json!({ "kid": "w1", "kty": "OKP" });
        let written = write(folder.path(), "w1", &pem, &jwk).unwrap();
        let mode = std::fs::metadata(&written.private).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let document: Value = serde_json::from_slice(&std::fs::read(&written.public).unwrap()).unwrap();
        assert_eq!(document, json!({ "keys": [jwk] }));

        std::fs::remove_file(&written.private).unwrap();
        let refused = write(folder.path(), "w1", &pem, &jwk).unwrap_err();
        assert!(refused.text().contains("w1.jwks.json exists"), "{}", refused.text());
        assert!(!written.private.exists(), "half a pair was written");
    }
}
