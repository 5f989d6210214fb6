//! What a program's file tells: nothing is run.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::environment::{ToolEnvironment, is_executable, text};
use super::managers::{GoProgram, ManagerChoice, ShimTarget, shim_target};
use super::version::GoVersion;
use crate::debuggers::build_info::{BuildInfo, build_info};
use crate::os::{self, PlainFileError, read_plain};

/// No program is longer than this.
const LONGEST_PROGRAM: u64 = 256 << 20;

/// One program and its version.
#[derive(Debug)]
pub struct Tool {
    /// Where it was found.
    pub path: String,
    /// The file that runs in the end, behind links and shims.
    pub program: Option<PathBuf>,
    /// By which version manager, where what was found is its shim.
    pub choice: Option<ManagerChoice>,
    /// Its version, such as `1.22.3`.
    pub version: Result<String, VersionError>,
    /// What it is built for, where it is a program of macOS for one sort of processor.
    pub cpu: Option<Cpu>,
    /// Whether the folder in which it was found belongs to the user.
    pub is_in_own_folder: bool,
}

/// A sort of Mac.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    Intel,
    AppleSilicon,
}

/// A program's version is not known.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    #[error(transparent)]
    Read(#[from] PlainFileError),
    #[error("it is a script, and nothing is run")]
    Script,
    #[error("its file does not state it")]
    NotStated,
    /// The manager has no version for the folder.
    #[error("{0} has no version for this folder")]
    NotChosen(&'static str),
    /// The chosen version has no such program.
    #[error("{} {}, by {}, is not there", .0.manager.name(), .0.version, .0.whence)]
    NotThere(ManagerChoice),
}

/// The programs of this sort in these folders, in their order, each file once.
pub fn tools(environment: &ToolEnvironment<'_>, folders: &[PathBuf], sort: GoProgram) -> Vec<Tool> {
    const MOST: usize = 8;
    let mut found: Vec<Tool> = Vec::new();
    for file in folders.iter().map(|folder| folder.join(sort.name())).filter(|file| is_executable(file)) {
        // Links to one file are one program.
        let known =
            |tool: &Tool| found.iter().any(|other| tool.program.is_some() && other.program == tool.program);
        if let Some(tool) = tool(environment, &file, sort).filter(|tool| !known(tool)) {
            found.push(tool);
        }
        if found.len() == MOST {
            break;
        }
    }
    found
}

/// What the program in this file is; `None` where it is a shim that hands on to the rest of the PATH.
pub fn tool(environment: &ToolEnvironment<'_>, file: &Path, sort: GoProgram) -> Option<Tool> {
    let (program, choice) = match shim_target(environment, file, sort) {
        None => (Ok(file.to_owned()), None),
        Some(ShimTarget::RestOfPath) => return None,
        Some(ShimTarget::Program(program, choice)) => (Ok(program), Some(choice)),
        Some(ShimTarget::NotThere(choice)) => (Err(VersionError::NotThere(choice.clone())), Some(choice)),
        Some(ShimTarget::NotChosen(manager)) => (Err(VersionError::NotChosen(manager.name())), None),
    };
    let (version, cpu, program) = match program {
        Err(error) => (Err(error), None, None),
        Ok(program) => {
            let program = program.canonicalize().unwrap_or(program);
            match read_plain(&program, LONGEST_PROGRAM) {
                Ok(bytes) => (version(&program, &bytes, sort), cpu(&bytes), Some(program)),
                Err(error) => (Err(error.into()), None, Some(program)),
            }
        }
    };
    let folder = file.parent().and_then(|folder| folder.metadata().ok());
    let own = os::sudo_uid().filter(|_| os::is_root()).unwrap_or_else(os::own_uid);
    Some(Tool {
        path: file.display().to_string(),
        program,
        choice,
        version,
        cpu,
        is_in_own_folder: folder.is_some_and(|data| data.uid() == own),
    })
}

fn version(program: &Path, bytes: &[u8], sort: GoProgram) -> Result<String, VersionError> {
    let info = build_info(bytes);
    let found = match sort {
        GoProgram::Go => go_version(program).or_else(|| {
            let built_by = info?;
            // Go is built by itself.
            (built_by.package.as_deref() == Some("cmd/go")).then_some(built_by.go)
        }),
        GoProgram::Delve => info.and_then(|info| delve_version(program, info)),
    };
    match found {
        Some(version) => Ok(version),
        None if bytes.starts_with(b"#!") => Err(VersionError::Script),
        None => Err(VersionError::NotStated),
    }
}

/// By the file VERSION of the GOROOT that the program is in.
fn go_version(program: &Path) -> Option<String> {
    let goroot = program.parent()?.parent()?;
    let stated = text(&goroot.join("VERSION"))?;
    Some(GoVersion::parse(stated.lines().next()?)?.to_string())
}

/// By what the linker wrote, else by the folder that a package manager gave it, such as `Cellar/delve/1.25.2`.
fn delve_version(program: &Path, info: BuildInfo) -> Option<String> {
    const DELVE: &str = "github.com/go-delve/delve";
    if !info.package.as_deref().is_some_and(|package| package.starts_with(DELVE)) {
        return None;
    }
    if let Some((module, version)) = info.module
        && module == DELVE
    {
        return Some(version.trim_end_matches("+dirty").to_owned());
    }
    let components = || program.iter().map(|part| part.to_string_lossy());
    let numbered = |part: &str| {
        let version = part.rsplit('-').next()?;
        let is_whole = version.split('.').count() == 3;
        GoVersion::parse(version).filter(|_| is_whole).map(|version| version.to_string())
    };
    components()
        .find(|part| part.contains("delve"))
        .and_then(|_| components().find_map(|part| numbered(&part)))
}

/// By the header of a Mach-O file (XNU: EXTERNAL_HEADERS/mach-o/loader.h); `None` where it is for several, or none.
fn cpu(bytes: &[u8]) -> Option<Cpu> {
    const MAGIC_64: [u8; 4] = 0xfeed_facf_u32.to_le_bytes();
    const INTEL_64: [u8; 4] = 0x0100_0007_u32.to_le_bytes();
    const ARM_64: [u8; 4] = 0x0100_000c_u32.to_le_bytes();
    let sort = bytes.strip_prefix(&MAGIC_64)?.get(..4)?;
    match () {
        () if sort == INTEL_64 => Some(Cpu::Intel),
        () if sort == ARM_64 => Some(Cpu::AppleSilicon),
        () => None,
    }
}
