//! The guest ABI: a module that calls imports in a random order with hostile arguments.
//!
//! Every import of preview 1 and of `agentos_v1` is known by name and parameter types. The input picks calls and arguments;
//! the module that makes them is built, run, and must end in one of the ways a guest can end.

use crate::input::Input;
use agentos::{AgentOs, Limits};
use std::future::Future;
use std::sync::OnceLock;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};

/// Imports as `module name params result`, where `i` is a 32-bit and `l` a 64-bit integer; without a result it is an errno.
const IMPORTS: &str = include_str!("imports.txt");

/// An argument: a value that matters at a boundary, or any.
fn argument(input: &mut Input<'_>) -> i64 {
    const EDGES: &[i64] = &[
        -1,
        i32::MIN as i64,
        i32::MAX as i64,
        i64::MAX,
        i64::MIN,
        65_535,
        65_536,
        -100,
        0x4000_0000,
    ];
    match input.u8() % 4 {
        0 => i64::from(input.u8() % 8),
        1 => i64::from(input.u16()),
        2 => input.pick(EDGES),
        _ => input.u64().cast_signed(),
    }
}

/// Builds and runs the module.
pub(crate) fn run(bytes: &[u8]) {
    play(IMPORTS, bytes);
}

/// Builds a module that calls imports of a list, and runs it.
pub(crate) fn play(list: &'static str, bytes: &[u8]) {
    let program = module(list, Input::new(bytes));
    block_on(async {
        let vm = vm().await;
        vm.write_file("/tmp/tool.wasm", &program)
            .await
            .expect("the quota is far larger");
        vm.chmod("/tmp/tool.wasm", 0o755).await.expect("the file is ours");
        // A guest may wait for ever; that is no finding.
        let run = vm
            .exec_argv(["/tmp/tool.wasm"])
            .timeout(std::time::Duration::from_millis(200));
        run.await.expect("a valid module starts");
        assert_eq!(
            vm.exec("echo alive").await.expect("the VM lives").stdout_text(),
            "alive\n"
        );
    });
}

/// An import: module, name, parameters and result.
type Import = (&'static str, &'static str, Vec<ValType>, ValType);

fn imports(list: &'static str) -> Vec<Import> {
    let kind = |letter: u8| if letter == b'l' { ValType::I64 } else { ValType::I32 };
    let parse = |line: &'static str| {
        let mut words = line.split_whitespace();
        let (module, name) = (words.next()?, words.next()?);
        let params = words.next().unwrap_or("").bytes().map(kind).collect();
        let result = words.next().and_then(|word| word.bytes().next());
        Some((module, name, params, result.map_or(ValType::I32, kind)))
    };
    list.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(parse)
        .collect()
}

/// Most calls of one module.
const CALLS: usize = 64;

fn module(list: &'static str, mut input: Input<'_>) -> Vec<u8> {
    let imports = imports(list);
    let (mut types, mut section) = (TypeSection::new(), ImportSection::new());
    for (index, (module, name, params, result)) in (0u32..).zip(&imports) {
        types.ty().function(params.iter().copied(), [*result]);
        section.import(module, name, EntityType::Function(index));
    }
    let count = u32::try_from(imports.len()).expect("a short list");
    types.ty().function([], []);
    let mut body = Function::new([]);
    for _ in 0..CALLS {
        if input.is_empty() {
            break;
        }
        let index = usize::from(input.u16()) % imports.len();
        for param in &imports[index].2 {
            match param {
                ValType::I64 => body.instructions().i64_const(argument(&mut input)),
                // Only the low half is meant.
                _ => body.instructions().i32_const(argument(&mut input) as i32),
            };
        }
        body.instructions()
            .call(u32::try_from(index).expect("a short list"))
            .drop();
    }
    body.instructions().end();
    let mut functions = FunctionSection::new();
    functions.function(count);
    let mut memory = MemorySection::new();
    memory.memory(MemoryType {
        minimum: 1,
        maximum: Some(4),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports
        .export("_start", ExportKind::Func, count)
        .export("memory", ExportKind::Memory, 0);
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&section)
        .section(&functions)
        .section(&memory)
        .section(&exports)
        .section(&code);
    module.finish()
}

/// A small VM. It has no way out: where a random guest connects to is nobody's wish.
pub(crate) async fn vm() -> AgentOs {
    let mut limits = Limits::default();
    for (name, value) in [
        ("maxProcesses", 32),
        ("maxFilesystemBytes", 16 << 20),
        ("maxCpuTimeMs", 2000),
    ] {
        limits.set(name, value).expect("a known limit");
    }
    AgentOs::builder()
        .limits(limits)
        .permissions(agentos::Policy::locked())
        .create()
        .await
        .expect("a VM")
}

/// Runs a future to its end on the runtime that all inputs share.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| tokio::runtime::Runtime::new().expect("a runtime"))
        .block_on(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The declarations of `crates/abi` in the form of [`IMPORTS`].
    fn declared() -> Vec<(String, Vec<ValType>)> {
        let source = include_str!("../../../crates/abi/src/imports.rs");
        let code: String = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let declarations = code
            .split("pub fn ")
            .skip(1)
            .filter_map(|rest| rest.split_once(") -> u32"));
        let parse = |(declaration, _): (&str, &str)| {
            let (name, params) = declaration.split_once('(')?;
            let kinds = params
                .split(',')
                .map(str::trim)
                .filter(|param| !param.is_empty())
                .map(|param| {
                    let kind = param.rsplit(": ").next().unwrap_or_default();
                    if matches!(kind, "u64" | "i64") {
                        ValType::I64
                    } else {
                        ValType::I32
                    }
                });
            Some((name.to_owned(), kinds.collect()))
        };
        declarations.filter_map(parse).collect()
    }

    #[test]
    fn every_import_of_the_contract_is_called() {
        let known = imports(IMPORTS);
        let declared = declared();
        assert!(declared.len() > 70, "{} declarations", declared.len());
        for (name, params) in &declared {
            let found = known
                .iter()
                .find(|(module, known, ..)| *module == "agentos_v1" && known == name);
            assert_eq!(found.map(|(_, _, params, _)| params), Some(params), "{name}");
        }
        let ours = known.iter().filter(|(module, ..)| *module == "agentos_v1").count();
        assert_eq!(
            ours,
            declared.len(),
            "imports.txt knows an import that the contract does not have"
        );
    }
}
