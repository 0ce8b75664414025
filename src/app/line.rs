//! A line that is typed: the few keys that edit it, the same wherever words are asked for.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Edits a line by a key; whether the key was one for that.
pub(super) fn edit(line: &mut String, key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Backspace => {
            line.pop();
        }
        KeyCode::Char('u') if control => line.clear(),
        KeyCode::Char('w') if control => {
            let kept = line.trim_end().rfind(' ').map_or(0, |blank| blank + 1);
            line.truncate(kept);
        }
        KeyCode::Char(character) if !control && !key.modifiers.contains(KeyModifiers::ALT) => line.push(character),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_words_and_the_whole_line_are_taken_back() {
        let mut line = "from the kanban".to_owned();
        let mut press = |code, modifiers, expected: &str| {
            let taken = edit(&mut line, KeyEvent::new(code, modifiers));
            assert_eq!(line, expected);
            taken
        };
        assert!(press(KeyCode::Char('_'), KeyModifiers::NONE, "from the kanban_"));
        assert!(press(KeyCode::Backspace, KeyModifiers::NONE, "from the kanban"));
        assert!(press(KeyCode::Char('w'), KeyModifiers::CONTROL, "from the "));
        assert!(press(KeyCode::Char('w'), KeyModifiers::CONTROL, "from "));
        assert!(!press(KeyCode::Char('x'), KeyModifiers::CONTROL, "from "));
        assert!(!press(KeyCode::Enter, KeyModifiers::NONE, "from "));
        assert!(press(KeyCode::Char('u'), KeyModifiers::CONTROL, ""));
    }
}
