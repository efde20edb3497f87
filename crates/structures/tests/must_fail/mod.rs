//! [`must_fail`]: a check of something with a step left out.

use std::process::Command;

/// `check` must fail, saying one of `reasons`. It may end in an abort (a failing model unwinds through objects that are none of it any more), so it
/// runs in a process of its own: the test `name`, called again.
pub(crate) fn must_fail(name: &str, reasons: &[&str], check: impl FnOnce()) {
    const INNER: &str = "STILLPOINT_MUST_FAIL";
    if std::env::var_os(INNER).is_some() {
        return check();
    }
    let mut inner = Command::new(std::env::current_exe().unwrap());
    let output = inner.args([name, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the weakened protocol passed");
    assert!(
        reasons.iter().any(|reason| said.contains(reason)),
        "it fails for another reason: {said}"
    );
}
