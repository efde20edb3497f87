//! Loading libraries: running their code, once to learn what functions there are and once in every interpreter that calls one.

use super::fault::End;
use super::interpreter::{Failure, Interpreter, syntax_text};
use super::libraries::{FunctionInfo, Library, of_library};
use super::register::Registered;
use super::watch::Kind;
use crate::env::Server;
use mlua::Function;
use mlua::chunk::ChunkMode;
use std::collections::HashMap;
use std::sync::Arc;

/// What becomes of the libraries that are there when others are loaded or restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// A library of the same name is an error.
    Refuse,
    /// It is one, too, and has another text: a dump is restored.
    Append,
    /// All of them go.
    Flush,
    /// A library of the same name goes.
    Replace,
}

/// Loads libraries, all or none.
///
/// # Errors
/// The text for the client, after `ERR`.
pub(crate) fn load_libraries(
    interpreter: &mut Interpreter,
    server: &Server,
    texts: &[Vec<u8>],
    policy: Policy,
) -> Result<Vec<String>, String> {
    if policy == Policy::Refuse {
        // Before its code runs, which may fail otherwise.
        let known = server.scripting.libraries.now();
        for text in texts {
            known.refuse_known(&of_library(text)?.0)?;
        }
    }
    let libraries = texts.iter().map(|text| interpreter.read_library(text));
    let libraries = libraries.collect::<Result<Vec<_>, _>>()?;
    let names = libraries.iter().map(|library| library.name.clone()).collect();
    server.scripting.libraries.change(|set| {
        if policy == Policy::Flush {
            *set = Default::default();
        }
        libraries.into_iter().try_for_each(|library| set.add(library, policy))
    })?;
    Ok(names)
}

/// Libraries that the server has no more and an interpreter may keep.
const FEW: usize = 16;

impl Interpreter {
    /// Learns what functions a library has.
    fn read_library(&mut self, text: &[u8]) -> Result<Arc<Library>, String> {
        let (name, code_from) = of_library(text)?;
        self.forget_replaced();
        let registered = self.run_code(&text[code_from..])?;
        if registered.is_empty() {
            return Err("No functions registered".into());
        }
        let functions: Vec<FunctionInfo> =
            registered.iter().map(|found| found.info.clone()).collect();
        let library = Arc::new(Library { name, text: text.into(), functions });
        self.keep(library.clone(), registered)?;
        Ok(library)
    }

    /// Runs the code of a library.
    fn run_code(&mut self, code: &[u8]) -> Result<Vec<Registered>, String> {
        let chunk = self.lua.load(code).set_name("@user_function").set_mode(ChunkMode::Text);
        let function = chunk
            .set_environment(self.library_environment.clone())
            .into_function()
            .map_err(|error| format!("Error compiling function: {}", syntax_text(&error)))?;
        let lua_failed = |error: mlua::Error| error.to_string();
        let shared = self.shared.clone();
        self.set_loading.call::<()>(true).map_err(lua_failed)?;
        shared.loading.begin();
        shared.watch.begin(Kind::Load, 0, false);
        let outcome = self.protect(&function);
        shared.watch.end(&shared.server.scripting.watches);
        let registered = shared.loading.end();
        self.set_loading.call::<()>(false).map_err(lua_failed)?;
        match outcome {
            Ok(_) => Ok(registered),
            Err(Failure { end: Some(End::LoadTimeout), .. }) => Err("FUNCTION LOAD timeout".into()),
            Err(Failure { text, .. }) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                Err(format!("Error registering functions: {text}"))
            }
        }
    }

    /// Gives up the functions of libraries that the server has no more, once they are the greater part: so a library costs the same however many there are.
    fn forget_replaced(&mut self) {
        let now = self.shared.server.scripting.libraries.now();
        if self.libraries.len() > 2 * now.all().len() + FEW {
            self.libraries.retain(|_, (known, _)| now.contains(known));
        }
        self.lua.expire_registry_values();
    }

    /// Keeps functions in Lua's registry, which has room for any number; there is a limit to those that are held.
    fn keep(&mut self, library: Arc<Library>, registered: Vec<Registered>) -> Result<(), String> {
        let mut functions = HashMap::with_capacity(registered.len());
        for found in registered {
            let key = self.lua.create_registry_value(found.function);
            let key = key.map_err(|error| error.to_string())?;
            functions.insert(found.info.name.to_ascii_lowercase(), key);
        }
        self.libraries.insert(library.name.clone(), (library, functions));
        Ok(())
    }

    /// A function of a library that the server has.
    ///
    /// # Errors
    /// The text for the client, after `ERR`.
    pub(crate) fn function(
        &mut self,
        library: &Arc<Library>,
        info: &FunctionInfo,
    ) -> Result<Function, String> {
        let name = info.name.to_ascii_lowercase();
        let known = |this: &Self| {
            let found = this.libraries.get(&library.name);
            let (_, functions) = found.filter(|(known, _)| Arc::ptr_eq(known, library))?;
            this.lua.registry_value::<Function>(functions.get(&name)?).ok()
        };
        if let Some(function) = known(self) {
            return Ok(function);
        }
        self.forget_replaced();
        let (_, code_from) = of_library(&library.text)?;
        let registered = self.run_code(&library.text[code_from..])?;
        self.keep(library.clone(), registered)?;
        known(self).ok_or_else(|| "Function not found".to_owned())
    }
}
