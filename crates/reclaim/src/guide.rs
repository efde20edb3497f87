//! Guides: longer reads, whose code is compiled and run with the tests.
//!
//! | page | for whom |
//! |---|---|
//! | [`restart_once`] | authors of structures: where [`Expired`](crate::Expired) is handled, with a whole list as example |
//! | [`own_memory`] | nodes of foreign memory, custom reclaimers and allocators, values that borrow; what does not compile, and why |
//! | [`steps`] | those who need to know the worst case: steps of each operation, and every loop with its bound |
//! | [`from_crossbeam_epoch`] | those who come from crossbeam-epoch: a table, a structure before and after, pitfalls |

#[doc = include_str!("../docs/restart-once.md")]
pub mod restart_once {}

#[doc = include_str!("../docs/own-memory.md")]
pub mod own_memory {}

#[doc = include_str!("../docs/from-crossbeam-epoch.md")]
pub mod from_crossbeam_epoch {}

#[doc = include_str!("../docs/steps.md")]
pub mod steps {}
