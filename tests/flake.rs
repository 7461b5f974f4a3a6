//! `flake.nix`, as far as it goes without a network: nixpkgs and its builders are stand-ins.

use std::path::Path;
use std::process::Command;

use super::support::skip;

/// Runs nix-instantiate with a store of its own; its output. None where there is no nix.
fn nix(arguments: &[&str]) -> Option<String> {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let output = Command::new("nix-instantiate")
        .args(arguments)
        .env("NIX_STORE_DIR", at("store"))
        .env("NIX_STATE_DIR", at("state"))
        .env("NIX_LOG_DIR", at("log"))
        .env("NIX_CONF_DIR", at("conf"))
        .env("HOME", scratch.path())
        .output();
    let Ok(output) = output else {
        skip("nix-instantiate is not installed (package nix-bin)");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The outputs of the flake, asked with an expression over `outputs`, as JSON.
fn outputs(expression: &str) -> Option<serde_json::Value> {
    let root = env!("CARGO_MANIFEST_DIR");
    let text = format!(
        r#"let
             flake = import {root}/flake.nix;
             pkgs = system: {{
               inherit system;
               lib = {{ licenses = {{ mit = "MIT"; asl20 = "Apache-2.0"; }}; }};
               rustPlatform.buildRustPackage = given: given;
               mkShell = given: given;
               installShellFiles = "installShellFiles";
               clippy = "clippy"; rustfmt = "rustfmt"; cargo-insta = "cargo-insta";
               podman = "podman"; skopeo = "skopeo"; umoci = "umoci";
             }};
             nixpkgs = {{
               lib.genAttrs = names: f: builtins.listToAttrs (map (name: {{ inherit name; value = f name; }}) names);
               legacyPackages = builtins.listToAttrs (map (name: {{ inherit name; value = pkgs name; }})
                 [ "x86_64-linux" "aarch64-linux" "powerpc64le-linux" ]);
             }};
             self = flake.outputs {{ inherit nixpkgs; self = self // {{ outPath = {root}; }}; }};
             outputs = self;
           in {expression}"#
    );
    Some(serde_json::from_str(&nix(&["--eval", "--strict", "--json", "-E", &text])?).unwrap())
}

#[test]
fn the_flake_parses() {
    let flake = Path::new(env!("CARGO_MANIFEST_DIR")).join("flake.nix");
    let Some(parsed) = nix(&["--parse", flake.to_str().unwrap()]) else { return };
    assert!(parsed.contains("buildRustPackage"), "{parsed}");
}

#[test]
fn the_flake_has_a_package_and_a_shell_for_each_arch() {
    let names = "builtins.mapAttrs (_: systems: builtins.mapAttrs (_: builtins.attrNames) systems) outputs";
    let Some(found) = outputs(names) else { return };
    let each = |names: &[&str]| serde_json::json!({ "x86_64-linux": names, "aarch64-linux": names, "powerpc64le-linux": names });
    assert_eq!(found, serde_json::json!({ "packages": each(&["default", "wharf"]), "devShells": each(&["default"]) }));
}

#[test]
fn the_package_is_this_one() {
    let package = r#"let package = outputs.packages.aarch64-linux.default; in {
        inherit (package) pname version cargoTestFlags;
        inherit (package.meta) description mainProgram license;
        lock = builtins.pathExists package.cargoLock.lockFile;
        shell = map (input: input.pname) outputs.devShells.x86_64-linux.default.inputsFrom;
    }"#;
    let Some(found) = outputs(package) else { return };
    assert_eq!(
        found,
        serde_json::json!({
            "pname": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "cargoTestFlags": ["--lib"],
            "mainProgram": "wharf",
            "license": ["MIT", "Apache-2.0"],
            "lock": true,
            "shell": ["wharf"],
        })
    );
}
