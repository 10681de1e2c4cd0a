//! `agentos image`: making images of packages, and looking at images.

use crate::error::{Error, Exit};
use crate::report;
use agentos::images::{Bounds, Built, Cache, Format, Package, build};
use agentos::{Image, ImageSource};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// Options of `agentos image`.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// Make an image of packages of Debian and npm, without running anything of them.
    Build(BuildArgs),
    /// Show an image's layers, sizes and configuration.
    Inspect(InspectArgs),
}

#[derive(Debug, Args)]
struct BuildArgs {
    /// A package of Debian (.deb). Its scripts are not run.
    #[arg(long = "deb", value_name = "FILE")]
    debs: Vec<PathBuf>,
    /// A package of npm as `npm pack` makes it (.tgz), installed as `npm install --global` does. They come after those of
    /// Debian.
    #[arg(long = "npm", value_name = "FILE")]
    npms: Vec<PathBuf>,
    /// Make one tar archive, or a directory with an OCI layout.
    #[arg(long, value_enum, default_value_t = FormatArg::Tar)]
    format: FormatArg,
    /// Where the image is made.
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Tar,
    Oci,
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// The image: host, or the path of a directory, a tar archive or an OCI layout.
    #[arg(value_name = "host|PATH")]
    image: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Does what is asked for.
pub(crate) fn main(args: &ImageArgs) -> Result<Exit, Error> {
    match &args.command {
        ImageCommand::Build(args) => made(args),
        ImageCommand::Inspect(args) => shown(args),
    }
}

fn made(args: &BuildArgs) -> Result<Exit, Error> {
    let debs = args.debs.iter().cloned().map(Package::Deb);
    let packages: Vec<Package> = debs.chain(args.npms.iter().cloned().map(Package::Npm)).collect();
    if packages.is_empty() {
        return Err(Error::Usage("image build: give --deb FILE or --npm FILE".to_owned()));
    }
    let format = match args.format {
        FormatArg::Tar => Format::Tar,
        FormatArg::Oci => Format::Oci,
    };
    let cache = Cache::user().map_err(agentos::Error::from)?;
    let built = build(&packages, format, &args.output, &cache, &Bounds::default()).map_err(agentos::Error::from)?;
    let Built {
        digest,
        packages,
        warnings,
        ..
    } = &built;
    if args.json {
        report::json(&json!({ "digest": digest, "packages": packages, "warnings": warnings }))?;
        return Ok(Exit::SUCCESS);
    }
    for warning in warnings {
        report::progress(&format!("agentos: {warning}"));
    }
    let names = packages.join(", ");
    report::text(&format!("{}\t{digest}\t{names}\n", args.output.display()))?;
    Ok(Exit::SUCCESS)
}

fn shown(args: &InspectArgs) -> Result<Exit, Error> {
    let source: ImageSource = args.image.parse().map_err(agentos::Error::from)?;
    let image = Image::open(&source).map_err(agentos::Error::from)?;
    match args.json {
        true => report::json(&as_json(&image))?,
        false => report::text(&as_text(&image))?,
    }
    Ok(Exit::SUCCESS)
}

fn as_json(image: &Image) -> Value {
    let config = image.config();
    let layers = image
        .layers()
        .iter()
        .map(|layer| json!({ "digest": layer.digest, "entries": layer.entries, "bytes": layer.bytes }));
    json!({
        "source": image.source().to_string(),
        "layers": layers.collect::<Vec<_>>(),
        "config": {
            "env": config.env,
            "entrypoint": config.entrypoint,
            "cmd": config.cmd,
            "workingDir": config.working_dir,
            "user": config.user,
        },
    })
}

fn as_text(image: &Image) -> String {
    let config = image.config();
    let mut text = format!("image\t{}\n", image.source());
    for layer in image.layers() {
        let digest = layer.digest.as_deref().unwrap_or("directory");
        // Writing to text cannot fail.
        let _ = match (layer.entries, layer.bytes) {
            (Some(entries), Some(bytes)) => writeln!(text, "layer\t{digest}\t{entries} entries\t{bytes} bytes"),
            _ => writeln!(text, "layer\t{digest}\tread when it is used"),
        };
    }
    let lines = [
        ("entrypoint", config.entrypoint.join(" ")),
        ("cmd", config.cmd.join(" ")),
        ("workdir", config.working_dir.clone()),
        ("user", config.user.clone()),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name}\t{value}");
    }
    for variable in &config.env {
        let _ = writeln!(text, "env\t{variable}");
    }
    text
}
