//! The console: lines in, events out. It watches the conversation through its event stream and
//! steers it through its inbox, like everybody else.

mod input;
mod prompt;
mod terminal;
mod view;

pub use input::{Line, Lines, forget};
pub use terminal::restore;
pub use view::{Marks, Screen, View};
