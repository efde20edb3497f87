//! The examples for embedding run, and hold what they assert.

#[path = "../examples/device_state.rs"]
mod device_state;
#[path = "../examples/feature_store.rs"]
mod feature_store;
#[path = "../examples/positions.rs"]
mod positions;
#[path = "../examples/pricing.rs"]
mod pricing;

#[test]
fn commands_are_done_once_and_the_newest_report_counts() {
    device_state::main().unwrap();
}

#[test]
fn rows_of_features_are_whole() {
    feature_store::main().unwrap();
}

#[test]
fn what_was_bought_was_paid_for() {
    positions::main().unwrap();
}

#[test]
fn the_cross_follows_its_legs() {
    pricing::main().unwrap();
}
