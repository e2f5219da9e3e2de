//! One test a family, so that they can be chosen one by one.

use super::family::run;

macro_rules! families {
    ($($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            run(stringify!($name)).await;
        }
    )*};
}

families! { resources signals output files kernel network integrity artifacts encodings }
