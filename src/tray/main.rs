//! The tray: event loop, icon, menu items. It shows what [`portcullis::menu`] says and carries out what is clicked.
//!
//! Three threads. The main thread owns the icon and the menu, and never blocks. The watcher looks again whenever what
//! root saw, or the preferences, change on disk, and every few seconds while a port is open or in use. A click starts one
//! worker, which waits for the prompt and the helper and leaves it to the watcher to look what came of it, or for the
//! clipboard. Whatever happens is one of the [`Event`]s.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(target_os = "linux")]
mod bus;
mod draw;
mod ending;
mod error;
mod event;
mod icon;
#[cfg(test)]
mod icon_sources;
mod instance;
#[cfg(target_os = "linux")]
mod panel;
mod place;
#[cfg(target_os = "linux")]
mod theme;
mod watch;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tao::event::{Event as LoopEvent, StartCause};
use tao::event_loop::{ControlFlow, EventLoopBuilder, EventLoopProxy};
use tao::platform::run_return::EventLoopExtRunReturn as _;
use tray_icon::menu::MenuEvent;

use draw::Tray;
use error::TrayError;
use event::Event;
use instance::Instance;
use portcullis::app::{App, AppError, ClickOutcome};
use portcullis::elevate::ElevateError;
use portcullis::elevate::alert;
use portcullis::elevate::notification;
use portcullis::elevate::place::RestrictedPlace;
use portcullis::lab;
use portcullis::menu::{
    FAILED, MenuAction, MenuFacts, MenuFailure, MenuLayout, MenuRow, MenuState, action_of, rows,
};
use portcullis::os::cancel::Cancellation;
use portcullis::status::emblem::Emblem;
use portcullis::status::news::news;
use portcullis::system::LAUNCHCTL;
use watch::Watcher;

const USAGE: &str = "usage: portcullis-tray [--lab DIR]";

fn main() -> ExitCode {
    let directory = match read_arguments(std::env::args_os().skip(1)) {
        Ok(directory) => directory,
        Err(unknown) => {
            eprintln!("portcullis-tray: unknown argument \"{}\"; {USAGE}", unknown.display());
            return ExitCode::from(2);
        }
    };
    let app = lab::choose(directory.as_deref()).map_err(AppError::from).and_then(App::new);
    let shown = match app {
        Ok(app) => start(app).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("portcullis: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The lab's directory, if one is named. Launch Services gives an app that is opened for the first time, and is quarantined, its process serial
/// number (`-psn_0_12345`), which says nothing. Errors: the argument that is not understood.
fn read_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<PathBuf>, OsString> {
    let is_serial = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-psn_");
    let arguments: Vec<OsString> = arguments.into_iter().filter(|argument| !is_serial(argument)).collect();
    match arguments.as_slice() {
        [] => Ok(None),
        [flag, directory] if flag == "--lab" => Ok(Some(directory.into())),
        [first, ..] => Err(first.clone()),
    }
}

/// Shows the tray, or where the one is that runs already.
fn start(app: App) -> Result<(), TrayError> {
    place::check()?;
    match Instance::of(&app) {
        Instance::Only(_held) => run(app),
        Instance::Another(process) => {
            eprintln!("portcullis: {}", instance::running(process));
            // Opened in the Finder, it has no terminal to say so in.
            if cfg!(target_os = "macos") && !std::io::stderr().is_terminal() {
                instance::show_where(&app);
            }
            Ok(())
        }
    }
}

/// Shows the tray until Quit is clicked. To be called on the main thread.
fn run(app: App) -> Result<(), TrayError> {
    // Outlives the icon, whose files are in it.
    let directory = place::icon_directory()?;
    #[cfg(target_os = "linux")]
    theme::plain(directory.path());
    run_launchd(&app);
    tell_of_the_place(&app);
    #[cfg(target_os = "linux")]
    panel::tell_of_none();
    let mut event_loop = {
        let build = || EventLoopBuilder::<Event>::with_user_event().build();
        place::without_panic(build).ok_or(TrayError::Display)?
    };
    #[cfg(target_os = "macos")]
    {
        use tao::platform::macos::{ActivationPolicy, EventLoopExtMacOS as _};
        // No Dock icon and no stolen focus. The bundle's LSUIElement says the same, but comes too late for the focus.
        event_loop.set_activation_policy(ActivationPolicy::Accessory);
        event_loop.set_activate_ignoring_other_apps(false);
    }
    let proxy = event_loop.create_proxy();
    let (clicks, ends) = (proxy.clone(), proxy.clone());
    ending::on_signals(move || send(&ends, Event::End));
    MenuEvent::set_event_handler(Some(move |event: MenuEvent| send(&clicks, Event::Clicked(event.id.0))));

    let mut session: Option<TraySession> = None;
    let mut outcome = Ok(());
    event_loop.run_return(|event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            // Not earlier: on macOS there is no status bar before the application has started.
            LoopEvent::NewEvents(StartCause::Init) => {
                match TraySession::start(&app, &proxy, directory.path()) {
                    Ok(started) => session = Some(started),
                    Err(error) => {
                        outcome = Err(error);
                        *control_flow = ControlFlow::Exit;
                    }
                }
            }
            LoopEvent::UserEvent(event) => {
                let next = session.as_mut().map_or(Next::Wait, |session| session.handle(event));
                if next == Next::Quit {
                    *control_flow = ControlFlow::Exit;
                }
            }
            // On a Mac, the app was opened once more.
            LoopEvent::Reopen { .. } => {
                let app = app.clone();
                std::thread::spawn(move || instance::show_where(&app));
            }
            // The icon goes before the loop, whatever ends the loop.
            LoopEvent::LoopDestroyed => session = None,
            _ => {}
        }
    });
    outcome
}

/// In a lab launchd runs as long as the tray does; on a Mac it is there.
fn run_launchd(app: &App) {
    let system = app.system();
    if system.lab().is_some() {
        let launchd = system.program(LAUNCHCTL).args(["run"]).timeout(Duration::MAX).ending_with_us();
        std::thread::spawn(move || launchd.run());
    }
}

/// On a Mac, says in a dialog that the app lies where root may not be allowed to read it. The tray starts meanwhile.
fn tell_of_the_place(app: &App) {
    let restricted = cfg!(target_os = "macos").then(RestrictedPlace::of_this_program).flatten();
    if let Some(restricted) = restricted.filter(|_| app.system().lab().is_none()) {
        let app = app.clone();
        std::thread::spawn(move || portcullis::elevate::place::tell(app.system(), restricted));
    }
}

/// Sends an event to the main thread. It fails only when the loop has ended, and then there is no receiver.
fn send(proxy: &EventLoopProxy<Event>, event: Event) {
    let _ = proxy.send_event(event);
}

#[derive(PartialEq, Eq)]
enum Next {
    Wait,
    Quit,
}

/// The tray while it is shown.
struct TraySession {
    app: App,
    proxy: EventLoopProxy<Event>,
    watcher: Watcher,
    facts: MenuFacts,
    state: MenuState,
    layout: MenuLayout,
    /// Takes the prompt of the action that waits away.
    cancellation: Cancellation,
    /// Whether the app ends as soon as the action that waits has come to its end.
    is_ending: bool,
    /// As they are shown.
    rows: Vec<MenuRow>,
    tray: Tray,
}

impl TraySession {
    fn start(
        app: &App,
        proxy: &EventLoopProxy<Event>,
        directory: &std::path::Path,
    ) -> Result<Self, TrayError> {
        let facts = watch::first_look(app);
        let (state, layout) = (MenuState::default(), MenuLayout::of(&facts.status));
        let rows = rows(&facts, &state, &layout);
        let watcher = Watcher::start(app.clone(), facts.clone(), {
            let proxy = proxy.clone();
            move |event| send(&proxy, event)
        });
        // Nothing tells when a program starts to listen: who does is read anew just before the menu opens.
        let (asked, style) = (watcher.clone(), facts.offers.icon.unwrap_or_default());
        let tray = Tray::new(&facts.status, style, &rows, directory, move || asked.look_again())?;
        let (app, proxy, cancellation) = (app.clone(), proxy.clone(), Cancellation::default());
        let is_ending = false;
        Ok(TraySession { app, proxy, watcher, facts, state, layout, cancellation, is_ending, rows, tray })
    }

    fn handle(&mut self, event: Event) -> Next {
        match event {
            // A panel may send the click of a row that turned grey under the pointer: that one has no action.
            Event::Clicked(id) => match action_of(&self.rows, &id).cloned() {
                Some(MenuAction::Cancel) => self.cancellation.cancel(),
                Some(MenuAction::Quit) => return self.end(),
                Some(MenuAction::SayFailure) => self.say_failure(),
                Some(action) if action.asks_root() => self.begin(action),
                Some(action) => self.begin_beside(id, action),
                None => {}
            },
            Event::End => return self.end(),
            Event::Seen(facts) => self.take(*facts),
            Event::Done(..) if self.is_ending => return Next::Quit,
            Event::Done(result, facts) => self.done(result, *facts),
            Event::DoneBeside(action, id, result) => self.done_beside(action, id, result),
            Event::Blind(because) => self.state.failure = Some(MenuFailure { action: None, because }),
        }
        self.layout.follow(&self.facts.status);
        // A check row has toggled itself when its click arrives; this puts the mark back until the status says so.
        self.rows = rows(&self.facts, &self.state, &self.layout);
        let emblem = Emblem::of(&self.facts.status);
        let emblem = if self.state.waiting.is_some() { emblem.waiting() } else { emblem };
        let style = self.facts.offers.icon.unwrap_or_default();
        self.tray.show(&self.facts.status, emblem, style, &self.rows);
        Next::Wait
    }

    /// Takes what was seen last, and tells the user what came about by itself.
    fn take(&mut self, facts: MenuFacts) {
        if let Some(text) = news(&self.facts.status, &facts.status) {
            let app = self.app.clone();
            std::thread::spawn(move || notification::show(app.system(), &text));
        }
        self.facts = facts;
        self.state.copied = None;
    }

    fn done(&mut self, result: Result<(), AppError>, facts: MenuFacts) {
        self.take(facts);
        let action = self.state.waiting.take();
        self.state.failure = match result {
            Ok(()) | Err(AppError::Elevate(ElevateError::Cancelled)) => None,
            // It was taken away by a click, before root began.
            Err(AppError::Elevate(ElevateError::NotAnswered)) if self.cancellation.is_cancelled() => None,
            Err(error) => Some(MenuFailure { action, because: error.to_string() }),
        };
    }

    /// What was copied is said in its row; what failed before is not over by that.
    fn done_beside(&mut self, action: MenuAction, id: String, result: Result<ClickOutcome, AppError>) {
        match result {
            Ok(outcome) => self.state.copied = (outcome == ClickOutcome::Copied).then_some(id),
            Err(error) => {
                self.state.failure = Some(MenuFailure { action: Some(action), because: error.to_string() });
            }
        }
    }

    /// In a dialog, in full; it is forgotten then.
    fn say_failure(&mut self) {
        let Some(failure) = self.state.failure.take() else { return };
        let app = self.app.clone();
        std::thread::spawn(move || alert::show(app.system(), FAILED, &failure.because));
    }

    /// Ends at once where no action waits, or where it was asked twice; else takes the prompt away and waits for what becomes
    /// of the action: root may be at work already.
    fn end(&mut self) -> Next {
        if self.state.waiting.is_none() || self.is_ending {
            return Next::Quit;
        }
        self.cancellation.cancel();
        self.is_ending = true;
        Next::Wait
    }

    /// Starts a worker for what asks no root: another program takes a text, a dialog waits to be read. It waits for no prompt.
    fn begin_beside(&mut self, id: String, action: MenuAction) {
        self.state.copied = None;
        let (app, proxy) = (self.app.clone(), self.proxy.clone());
        std::thread::spawn(move || {
            let result = app.carry_out(&action);
            send(&proxy, Event::DoneBeside(action, id, result));
        });
    }

    /// Starts a worker: the prompt may take minutes.
    fn begin(&mut self, action: MenuAction) {
        self.state.waiting = Some(action.clone());
        self.state.copied = None;
        self.cancellation = Cancellation::default();
        let (app, watcher) = (self.app.until(&self.cancellation), self.watcher.clone());
        std::thread::spawn(move || watcher.done(app.carry_out(&action).map(drop)));
    }
}
