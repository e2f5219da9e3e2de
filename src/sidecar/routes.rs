//! What is served, and how it looks. Every answer but the metrics is JSON.

use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tower_http::timeout::TimeoutLayer;

use super::Shown;
use crate::ports::conditions;
use crate::telemetry::metrics::CONTENT_TYPE;

const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// Every route, with its bounds.
pub(in crate::sidecar) fn router(shown: Shown) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(no_bodies))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_LIMIT))
        .with_state(shown)
}

async fn livez(State(shown): State<Shown>) -> Response {
    match shown.liveness.check() {
        Ok(()) => answer(StatusCode::OK, json!({ "live": true })),
        Err(reason) => answer(StatusCode::SERVICE_UNAVAILABLE, json!({ "live": false, "reason": reason })),
    }
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let snapshot = shown.conditions.snapshot();
    let parts: Vec<Value> = snapshot
        .iter()
        .map(|(part, state)| match state {
            conditions::State::Ready => json!({ "part": part.as_str(), "ready": true, "reason": null }),
            conditions::State::NotReady(reason) => json!({ "part": part.as_str(), "ready": false, "reason": reason }),
        })
        .collect();
    // From the snapshot, not asked again: the answer must not contradict its own list.
    let ready = snapshot.iter().all(|(_, state)| *state == conditions::State::Ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer(status, json!({ "ready": ready, "parts": parts }))
}

async fn metrics(State(shown): State<Shown>) -> Response {
    match shown.metrics.encode() {
        Ok(page) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response(),
        Err(error) => {
            tracing::error!("the metrics cannot be written: {error}");
            answer(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": "the metrics cannot be written" }))
        }
    }
}

async fn status(State(shown): State<Shown>) -> Response {
    answer(StatusCode::OK, shown.status.status())
}

async fn not_found(uri: Uri) -> Response {
    let error = format!("there is nothing at {}", uri.path());
    let paths = ["/livez", "/readyz", "/metrics", "/status"];
    answer(StatusCode::NOT_FOUND, json!({ "error": error, "paths": paths }))
}

async fn method_not_allowed(method: Method) -> Response {
    let error = format!("{method} is not allowed here: everything is read with GET");
    let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, json!({ "error": error }));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
    response
}

/// Nothing here reads a body, so nobody needs to send one.
async fn no_bodies(request: Request, next: Next) -> Response {
    if has_body(request.headers()) {
        return answer(StatusCode::PAYLOAD_TOO_LARGE, json!({ "error": "a request here has no body" }));
    }
    next.run(request).await
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

fn answer(status: StatusCode, body: Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
