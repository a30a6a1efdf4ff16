//! Hooks of the guest: programs that its image brings, run at moments of every container's life (OCI runtime specification, config.md).

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{json, Map, Value};

/// The moments, by the names of the directories that the programs lie in.
const MOMENTS: [&str; 3] = ["prestart", "poststart", "poststop"];

/// The executables below `directory`, by name within each moment; None when there are none.
pub fn gather(directory: &Path) -> io::Result<Option<Value>> {
    let mut all = Map::new();
    for moment in MOMENTS {
        let hooks = of_moment(&directory.join(moment), moment)?;
        if !hooks.is_empty() {
            all.insert(moment.into(), Value::Array(hooks));
        }
    }
    Ok((!all.is_empty()).then_some(Value::Object(all)))
}

fn of_moment(directory: &Path, moment: &str) -> io::Result<Vec<Value>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let meta = fs::metadata(&path)?;
        if meta.is_file() && meta.permissions().mode() & 0o111 != 0 {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths
        .iter()
        .map(|path| json!({ "path": path, "args": [path.file_name().map(|n| n.to_string_lossy()), moment] }))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_hooks_and_other_files_are_not() {
        let root = std::env::temp_dir().join(format!("viv-hooks-{}", std::process::id()));
        fs::create_dir_all(root.join("prestart")).unwrap();
        for (name, mode) in [("b", 0o755), ("a", 0o755), ("readme", 0o644)] {
            let file = root.join("prestart").join(name);
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let hooks = gather(&root).unwrap().unwrap();
        let args: Vec<_> = hooks["prestart"].as_array().unwrap().iter().map(|hook| hook["args"].clone()).collect();
        assert_eq!(args, [json!(["a", "prestart"]), json!(["b", "prestart"])]);
        assert_eq!(hooks.get("poststop"), None);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(gather(&root).unwrap(), None);
    }
}
