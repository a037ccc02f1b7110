//! Finds modules of one crate that import each other, directly or in a ring.
//!
//! An edge is a `use` declaration or a path in a module's own file that leads into another module
//! of the crate. Re-exports (`pub use`, `pub(crate) use`) and tests do not count; a parent and its
//! child do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// The step of `check`: no crate has a ring.
pub(crate) fn no_crate_has_one(workspace: &Workspace) -> Result<String, Failure> {
    let sources = source_folders(workspace);
    let mut rings = Vec::new();
    for (name, folder) in &sources {
        rings.extend(Crate::read(folder)?.rings().into_iter().map(|ring| format!("{name}: {ring}")));
    }
    if rings.is_empty() {
        return Ok(format!("{} crates", sources.len()));
    }
    Err(Failure::new(format!("modules import each other:\n{}", rings.join("\n"))))
}

/// The name and the `src` folder of each package of the workspace.
fn source_folders(workspace: &Workspace) -> Vec<(String, PathBuf)> {
    let crates = fs::read_dir(workspace.path("crates")).into_iter().flatten().flatten();
    let others = ["demo", "xtask"].map(|name| workspace.path(name));
    let mut folders: Vec<_> = crates
        .map(|entry| entry.path())
        .chain(others)
        .map(|path| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path.join("src")))
        .filter(|(_, source)| source.is_dir())
        .collect();
    folders.sort();
    folders
}

/// A module's path from the crate root; empty for the root.
type Module = Vec<String>;

/// The modules of a crate and the items that each takes from others.
#[derive(Debug, Default)]
struct Crate {
    edges: BTreeMap<Module, BTreeMap<Module, BTreeSet<String>>>,
}

impl Crate {
    fn read(source: &Path) -> Result<Self, Failure> {
        let mut files = BTreeMap::new();
        collect(source, &mut Vec::new(), &mut files)?;
        Self::parse(files)
    }

    fn parse(files: BTreeMap<Module, String>) -> Result<Self, Failure> {
        let modules: BTreeSet<Module> = files.keys().cloned().collect();
        let mut edges = BTreeMap::new();
        for (module, text) in files {
            let file = syn::parse_file(&text)
                .map_err(|error| Failure::new(format!("module `{}`: {error}", module.join("::"))))?;
            let mut imports = Imports { module: &module, modules: &modules, found: BTreeMap::new() };
            imports.visit_file(&file);
            let found = imports.found;
            edges.insert(module, found);
        }
        Ok(Self { edges })
    }

    /// Each ring: its modules, then what ties them.
    fn rings(&self) -> Vec<String> {
        let mut rings = Vec::new();
        let mut seen = BTreeSet::new();
        for module in self.edges.keys() {
            let ring: BTreeSet<&Module> = self
                .reachable(module)
                .into_iter()
                .filter(|other| self.reachable(other).contains(module))
                .collect();
            if ring.len() > 1 && seen.insert(ring.clone()) {
                rings.push(self.describe(&ring));
            }
        }
        rings
    }

    fn reachable(&self, from: &Module) -> BTreeSet<&Module> {
        let targets = |module| self.edges.get(module).into_iter().flat_map(BTreeMap::keys);
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Module> = targets(from).collect();
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(targets(module));
            }
        }
        reached
    }

    fn describe(&self, ring: &BTreeSet<&Module>) -> String {
        let names: Vec<String> = ring.iter().map(|module| module.join("::")).collect();
        let mut text = names.join(", ");
        for from in ring {
            for (to, items) in self.edges.get(*from).into_iter().flatten().filter(|(to, _)| ring.contains(to))
            {
                let items: Vec<&str> = items.iter().map(String::as_str).collect();
                text.push_str(&format!(
                    "\n    {} -> {}: {}",
                    from.join("::"),
                    to.join("::"),
                    items.join(", ")
                ));
            }
        }
        text
    }
}

/// Reads the modules below `folder`, which is the module `module`.
fn collect(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, String>) -> Result<(), Failure> {
    let unreadable = |path: &Path, error| Failure::new(format!("{} cannot be read: {error}", path.display()));
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))?.flatten() {
        let path = entry.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if matches!(stem.as_str(), "tests" | "bin") {
            continue;
        }
        if path.is_dir() {
            module.push(stem);
            collect(&path, module, files)?;
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_folder_itself =
                stem == "mod" || (module.is_empty() && matches!(stem.as_str(), "lib" | "main"));
            let mut name = module.clone();
            name.extend((!is_folder_itself).then_some(stem));
            files.insert(name, fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?);
        }
    }
    Ok(())
}

/// Collects what one module takes from others.
struct Imports<'c> {
    module: &'c Module,
    modules: &'c BTreeSet<Module>,
    found: BTreeMap<Module, BTreeSet<String>>,
}

impl Imports<'_> {
    /// Notes a path as it is written in the module.
    fn note(&mut self, path: &[String]) {
        let Some((mut target, rest)) = self.start(path) else { return };
        let mut rest = rest.iter().peekable();
        while let Some(name) = rest.peek() {
            target.push((*name).clone());
            if !self.modules.contains(&target) {
                target.pop();
                break;
            }
            rest.next();
        }
        if target.is_empty() || target == *self.module || !self.modules.contains(&target) {
            return;
        }
        let item = rest.next().map_or("self", String::as_str);
        self.found.entry(target).or_default().insert(item.to_owned());
    }

    /// The module at which `path` starts, and what follows; `None` if it starts outside the crate.
    fn start<'p>(&self, path: &'p [String]) -> Option<(Module, &'p [String])> {
        match path.first()?.as_str() {
            "crate" => Some((Module::new(), &path[1..])),
            "self" | "super" => {
                let relative =
                    path.iter().take_while(|part| matches!(part.as_str(), "self" | "super")).count();
                let up = path[..relative].iter().filter(|part| *part == "super").count();
                let kept = self.module.len().checked_sub(up)?;
                Some((self.module[..kept].to_vec(), &path[relative..]))
            }
            child => {
                let mut target = self.module.clone();
                target.push(child.to_owned());
                self.modules.contains(&target).then_some((self.module.clone(), path))
            }
        }
    }

    fn note_tree(&mut self, tree: &syn::UseTree, path: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.note_tree(&part.tree, path);
                path.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_tree(tree, path)),
            syn::UseTree::Name(syn::UseName { ident })
            | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                if ident == "self" {
                    return self.note(path);
                }
                path.push(ident.to_string());
                self.note(path);
                path.pop();
            }
            syn::UseTree::Glob(_) => self.note(path),
        }
    }

    /// Notes the paths among the tokens of a macro call that start with `crate` or `super`.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(colon) if colon.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Ident(name) if colons == 2 => {
                    path.push(name.to_string());
                    colons = 0;
                }
                other => {
                    self.note_complete(&mut path);
                    colons = 0;
                    match other {
                        TokenTree::Ident(name) if name == "crate" || name == "super" => {
                            path.push(name.to_string())
                        }
                        TokenTree::Group(group) => self.note_tokens(group.stream()),
                        _ => {}
                    }
                }
            }
        }
        self.note_complete(&mut path);
    }

    fn note_complete(&mut self, path: &mut Vec<String>) {
        if path.len() > 1 {
            self.note(path);
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if matches!(item.vis, syn::Visibility::Inherited) {
            self.note_tree(&item.tree, &mut Vec::new());
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !item.attrs.iter().any(is_for_tests) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 && matches!(parts[0].as_str(), "crate" | "super") {
            self.note(&parts);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.note_tokens(call.tokens.clone());
    }

    // `pub(in crate::a)` names a module and takes nothing from it; attributes hold no paths of ours.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}

/// Returns `true` for `#[cfg(test)]` and `#[cfg(all(test, ..))]`.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    list.path.is_ident("cfg")
        && list.tokens.to_string().split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
}

#[cfg(test)]
mod tests {
    use super::{Crate, Module};

    fn rings(files: &[(&str, &str)]) -> Vec<String> {
        let module = |name: &str| -> Module {
            name.split("::").filter(|part| !part.is_empty()).map(Into::into).collect()
        };
        let files = files.iter().map(|(name, text)| (module(name), (*text).to_owned())).collect();
        Crate::parse(files).unwrap().rings()
    }

    #[test]
    fn ring_is_reported_with_its_items() {
        let found = rings(&[
            ("", "mod a; mod b;"),
            ("a", "use crate::b::Bee; pub(crate) struct Ay;"),
            ("b", "pub(crate) struct Bee; fn f() -> crate::a::Ay { todo!() }"),
        ]);
        assert_eq!(found, ["a, b\n    a -> b: Bee\n    b -> a: Ay"]);
    }

    #[test]
    fn parent_and_child_form_a_ring() {
        let found = rings(&[
            ("p", "mod child; use child::Thing; pub(super) const K: u8 = 1;"),
            ("p::child", "use super::K;"),
        ]);
        assert_eq!(found, ["p, p::child\n    p -> p::child: Thing\n    p::child -> p: K"]);
    }

    #[test]
    fn path_inside_a_macro_counts() {
        let found = rings(&[("a", "use super::b::B;"), ("b", "fn f() { log!(\"{}\", crate::a::A) }")]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn reexports_tests_and_one_way_do_not_count() {
        let found = rings(&[
            ("p", "mod child; pub use child::Thing; pub const K: u8 = 1;"),
            ("p::child", "use super::K; #[cfg(test)] mod tests { use crate::q::Q; }"),
            ("q", "use crate::p::child::Thing;"),
        ]);
        assert_eq!(found, [""; 0]);
    }
}
