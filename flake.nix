{
  description = "Compiles an estate: KDL in; reproducible OCI images out, without a daemon, without root";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "powerpc64le-linux" ];
      forAll = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      manifest = (builtins.fromTOML (builtins.readFile ./Cargo.toml)).package;
    in
    {
      packages = forAll (pkgs: rec {
        wharf = pkgs.rustPlatform.buildRustPackage {
          pname = manifest.name;
          version = manifest.version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          # The integration tests need podman, a Debian archive and, some, root.
          cargoTestFlags = [ "--lib" ];
          nativeBuildInputs = [ pkgs.installShellFiles ];
          postInstall = ''
            installShellCompletion --cmd wharf \
              --bash <($out/bin/wharf completions bash) \
              --fish <($out/bin/wharf completions fish) \
              --zsh <($out/bin/wharf completions zsh)
            $out/bin/wharf man --to man
            installManPage man/*.1
          '';
          meta = {
            description = manifest.description;
            license = with pkgs.lib.licenses; [ mit asl20 ];
            mainProgram = "wharf";
            platforms = systems;
          };
        };
        default = wharf;
      });

      devShells = forAll (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ self.packages.${pkgs.system}.wharf ];
          packages = with pkgs; [ clippy rustfmt cargo-insta podman skopeo umoci ];
        };
      });
    };
}
