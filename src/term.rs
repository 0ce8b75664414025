//! The terminal: taken with a guard, given back however the program ends.

use std::io::{self, IsTerminal as _, Stdout, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::style::Print;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute, queue};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};

use self::painter::Painter;

mod painter;

/// Whether the terminal is in our hands, so that giving it back twice does no harm.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether the window's title is another one now.
static TITLED: AtomicBool = AtomicBool::new(false);

/// Puts the window's title on the terminal's stack, and takes it from there.
/// <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>, `CSI Ps ; Ps ; Ps t`
const KEEP_TITLE: &str = "\x1b[22;2t";
const TITLE_BACK: &str = "\x1b[23;2t";

/// Asks for buttons and wheel, in coordinates that any screen has room for; not for every movement, which nothing here needs.
/// <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html#h2-Mouse-Tracking>
const MOUSE: &str = "\x1b[?1000h\x1b[?1006h";
const NO_MOUSE: &str = "\x1b[?1006l\x1b[?1000l";

/// The terminal in full-screen use. Dropping it gives the terminal back as it was.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<Painter<Stdout>>,
}

impl Screen {
    /// Takes the terminal, and the mouse if it is wanted.
    ///
    /// # Errors
    /// If there is none, or it cannot be switched to full-screen use.
    pub fn take(mouse: bool) -> io::Result<Self> {
        is_there()?;
        give_back_on_panic();
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let taken = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide);
        if let Err(error) = taken {
            give_back();
            return Err(error);
        }
        if mouse {
            queue!(io::stdout(), Print(MOUSE))?;
        }
        Ok(Self { terminal: Terminal::new(Painter::new(io::stdout()))? })
    }

    /// Draws a frame; the terminal shows it at once, not in pieces.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ())
    }

    /// The screen's place and size, as last drawn.
    pub fn area(&mut self) -> Rect {
        self.terminal.get_frame().area()
    }

    /// Puts a text on the terminal's clipboard (OSC 52). Whether the terminal takes it, it does not say.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Sends bytes that draw nothing: a bell, a title.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn send(&mut self, bytes: &str) -> io::Result<()> {
        execute!(io::stdout(), Print(bytes))
    }

    /// Puts the window's title by, to have it back when the terminal is given back.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn keep_title(&mut self) -> io::Result<()> {
        TITLED.store(true, Ordering::SeqCst);
        execute!(io::stdout(), Print(KEEP_TITLE))
    }

    /// Forgets what is on the terminal, so that the next frame is drawn whole.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }
}

/// Whether there is a terminal to take.
///
/// # Errors
/// If input or output is something else.
pub fn is_there() -> io::Result<()> {
    if io::stdout().is_terminal() && io::stdin().is_terminal() {
        return Ok(());
    }
    Err(io::Error::other("there is no terminal; `exec`, `check`, `status` and `report` need none"))
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back as it was. Does nothing where it was not taken.
pub fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    if TITLED.swap(false, Ordering::SeqCst) {
        let _ = execute!(io::stdout(), Print(TITLE_BACK));
    }
    // Each is tried whatever became of the one before: a terminal half given back is worse than an error unheard.
    let _ = execute!(io::stdout(), Print(NO_MOUSE), DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
    let _ = io::stdout().flush();
}

/// A panic's message must land on the terminal that the user sees, not on the one that is about to vanish.
fn give_back_on_panic() {
    static ONCE: AtomicBool = AtomicBool::new(false);
    if ONCE.swap(true, Ordering::SeqCst) {
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        give_back();
        before(panic);
    }));
}
