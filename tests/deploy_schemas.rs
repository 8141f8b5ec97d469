//! What is in `deploy/` and `.github/` fits the schemas of those who read it. Each judge also gets a text with one mistake in it,
//! and must refuse that.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Of Debian's package, which is not installed: it would listen.
const PROMTOOL: &str = "target/prometheus/usr/bin/promtool";
/// Of Debian's package, which is not installed: it would act at the next boot.
const CLOUD_CONFIG: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/cloud-init/usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json"
);
/// What a person fills in by hand; Terraform and CloudFormation name the same four.
const OPEN_VALUES: [&str; 4] = ["domain", "external", "package_sha256", "package_url"];

fn text(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A program that says whether a file is right.
struct Judge {
    program: PathBuf,
    options: &'static [&'static str],
}

impl Judge {
    /// One of those that `make test` sets up with `tests/requirements.txt`.
    fn python(program: &str, options: &'static [&'static str]) -> Judge {
        Judge::at(&format!("target/venv/bin/{program}"), options)
    }

    /// A program that `make test` puts there.
    fn at(program: &str, options: &'static [&'static str]) -> Judge {
        let program = Path::new(ROOT).join(program);
        assert!(program.exists(), "{} is missing: make test makes it", program.display());
        Judge { program, options }
    }

    /// Whether it takes a file of this name and text, and what it says.
    fn judge(&self, name: &str, text: &str) -> (bool, String) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join(name);
        fs::write(&file, text).expect("written");
        let output = Command::new(&self.program).args(self.options).arg(&file).current_dir(directory.path()).output();
        let output =
            output.unwrap_or_else(|error| panic!("{}: {error}: make test installs it", self.program.display()));
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        (output.status.success(), said.concat())
    }

    /// Takes the file as it is, and not with a mistake in it.
    fn takes(&self, path: &str, (right, wrong): (&str, &str)) {
        let text = text(path);
        let name = path.rsplit('/').next().expect("a name");
        let (taken, said) = self.judge(name, &text);
        assert!(taken, "{path}: {said}");
        assert!(text.contains(right), "{path} does not contain {right:?}");
        let (taken, said) = self.judge(name, &text.replacen(right, wrong, 1));
        assert!(!taken, "{path} with {wrong:?} is taken: {said}");
    }
}

#[test]
fn the_manifest_is_what_kubernetes_reads() {
    let judge = Judge::python("kubernetes-validate", &["--strict", "--kubernetes-version", "1.37"]);
    judge.takes("deploy/kubernetes/duologue.yaml", ("hostNetwork: true", "hostNetworking: true"));
    judge.takes("deploy/kubernetes/duologue.yaml", ("replicas: 1", "replicas: one"));
}

#[test]
fn the_compositions_are_what_compose_reads() {
    let judge = Judge::python("check-jsonschema", &["--builtin-schema", "vendor.compose-spec"]);
    judge.takes("deploy/compose/host.yaml", ("network_mode: host", "network_mod: host"));
    judge.takes("deploy/compose/single-port.yaml", ("cap_drop: [ALL]", "cap_drop: {all: true}"));
}

#[test]
fn the_workflows_are_what_github_reads_and_every_job_ends() {
    for path in [".github/workflows/test.yml", ".github/workflows/release.yml"] {
        let judge = Judge::python("check-jsonschema", &["--builtin-schema", "vendor.github-workflows"]);
        judge.takes(path, ("runs-on:", "run-on:"));
        let judge = Judge::python("check-jsonschema", &["--builtin-schema", "custom.github-workflows-require-timeout"]);
        judge.takes(path, ("    timeout-minutes:", "    # timeout-minutes:"));
    }
}

#[test]
fn the_stack_is_what_cloudformation_reads() {
    let judge = Judge::python("cfn-lint", &["--non-zero-exit-code", "warning", "--"]);
    judge.takes("deploy/cloudformation/duologue.yaml", ("!Ref VpcId", "!Ref Vpc"));
    judge.takes("deploy/cloudformation/duologue.yaml", ("SubnetId: !Ref", "Subnet: !Ref"));
    judge.takes("deploy/cloudformation/duologue.yaml", ("external: !Ref Address", "outside: !Ref Address"));
}

#[test]
fn the_first_boot_is_what_cloud_init_reads() {
    let judge = Judge::python("check-jsonschema", &["--schemafile", CLOUD_CONFIG]);
    assert!(Path::new(CLOUD_CONFIG).exists(), "{CLOUD_CONFIG} is missing: make test takes it out of Debian's package");
    assert!(text("deploy/cloud-init/duologue.yaml").starts_with("#cloud-config\n"), "what tells it from a script");
    judge.takes("deploy/cloud-init/duologue.yaml", ("packages: [", "packages: [1, "));
    judge.takes("deploy/cloud-init/duologue.yaml", ("permissions: \"0755\"", "permission: \"0755\""));
}

#[test]
fn the_alerts_are_what_prometheus_reads() {
    let judge = Judge::at(PROMTOOL, &["check", "rules"]);
    judge.takes("deploy/prometheus/duologue.rules.yml", ("{job=\"duologue\"} == 0", "{job=\"duologue\" == 0"));
    judge.takes("deploy/prometheus/duologue.rules.yml", ("for: 10m", "for: ten minutes"));
}

#[test]
fn the_stack_boots_with_the_text_of_the_first_boot() {
    let stack = text("deploy/cloudformation/duologue.yaml");
    let (_, behind) = stack.split_once("            - |\n").expect("the user data");
    let indent = " ".repeat(14);
    let lines = behind.lines().take_while(|line| line.is_empty() || line.starts_with(&indent));
    let inside: String = lines.map(|line| format!("{}\n", line.strip_prefix(&indent).unwrap_or(line))).collect();
    assert_eq!(inside, text("deploy/cloud-init/duologue.yaml"));
    // The limit of the instances' service, in bytes.
    assert!(inside.len() < 16 * 1024);
}

/// Every `${name}` of a text.
fn open_values(text: &str) -> BTreeSet<&str> {
    text.split("${").skip(1).filter_map(|behind| Some(behind.split_once('}')?.0)).collect()
}

/// What stands behind `prefix` wherever the text has it: letters, digits, `_`.
fn names_after<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let found = text.split(prefix).skip(1);
    found.map(|behind| behind.split(|char| !is_part(char)).next().unwrap_or_default()).collect()
}

#[test]
fn the_scripts_of_the_first_boot_are_shell_and_leave_four_values_open() {
    let boot = text("deploy/cloud-init/duologue.yaml");
    assert_eq!(open_values(&boot), BTreeSet::from(OPEN_VALUES));
    let judge = Judge { program: "sh".into(), options: &["-n"] };
    let scripts = boot.split("    content: |\n").skip(1).map(|behind| {
        let lines = behind.lines().take_while(|line| line.is_empty() || line.starts_with("      "));
        lines.map(|line| format!("{}\n", line.trim_start_matches("      "))).collect::<String>()
    });
    let scripts: Vec<String> = scripts.filter(|content| content.starts_with("#!/bin/sh\n")).collect();
    assert_eq!(scripts.len(), 1);
    for script in scripts {
        let (taken, said) = judge.judge("script", &script);
        assert!(taken, "{said}\n{script}");
        let (taken, _) = judge.judge("script", &script.replacen("fi\n", "\n", 1));
        assert!(!taken, "an if without its end is taken");
    }
}

#[test]
fn the_first_boot_sets_what_init_advises_and_check_config_takes() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut init = Command::new(env!("CARGO_BIN_EXE_duologue"));
    let output = init.args(["init", "--domain", "chat.example.org", "--dir"]).arg(directory.path()).output();
    let advice = String::from_utf8(output.expect("the binary runs").stdout).expect("text");
    let settings = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim).filter(|line| line.starts_with("net.") && line.contains(" = "));
        lines.map(str::to_owned).collect()
    };
    assert!(settings(&advice).len() >= 4, "{advice}");
    let boot = text("deploy/cloud-init/duologue.yaml");
    assert_eq!(settings(&boot), settings(&advice));
    // What it adds for the certificate is taken too.
    assert!(boot.contains(r#"printf '[tls.acme]\ndomains = ["%s"]\n' "$domain""#));
    fs::create_dir(directory.path().join("conf.d")).expect("a directory");
    let acme = "[tls.acme]\ndomains = [\"chat.example.org\"]\n";
    fs::write(directory.path().join("conf.d/acme.toml"), acme).expect("written");
    let mut check = Command::new(env!("CARGO_BIN_EXE_duologue"));
    let output = check.args(["check-config", "--config"]).arg(directory.path().join("duologue.toml")).output();
    let output = output.expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_modules_are_what_terraform_reads_and_name_what_they_declare() {
    let judge = Judge::python("hcl2tojson", &[]);
    for module in ["vps", "aws"] {
        let file = |name: &str| format!("deploy/terraform/{module}/{name}.tf");
        for name in ["main", "variables", "outputs"] {
            judge.takes(&file(name), ("{\n", "[\n"));
        }
        let [main, variables, outputs] = ["main", "variables", "outputs"].map(|name| text(file(name)));
        let declared = names_after(&variables, "\nvariable \"");
        // The first one stands at the very beginning.
        let declared: BTreeSet<&str> =
            declared.into_iter().chain(names_after(&variables[..40], "variable \"")).collect();
        assert_eq!(names_after(&main, "var."), declared, "{module}: variables used and declared");
        let filled = main.split_once("cloud-init/duologue.yaml\", {\n").expect("the template").1;
        let filled = filled.split_once("\n  })").expect("its end").0;
        let filled = filled.lines().filter_map(|line| Some(line.split_once(" = ")?.0.trim()));
        assert_eq!(filled.collect::<BTreeSet<_>>(), BTreeSet::from(OPEN_VALUES), "{module}");
        let kind = outputs.split_once("value       = ").expect("an output").1;
        let (kind, name) = kind.split_once('.').expect("a resource");
        let name = name.split('.').next().expect("a name");
        assert!(main.contains(&format!("resource \"{kind}\" \"{name}\" {{")), "{module}: {kind}.{name}");
    }
}
