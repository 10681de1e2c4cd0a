// A static program of Rust's standard library.
use std::{collections::HashMap, env, fs, io::Write, process::Command, sync::mpsc, thread, time::Duration};
fn main() {
    println!("{:?}", env::args().skip(1).collect::<Vec<_>>());
    let (to, from) = mpsc::channel();
    let threads: Vec<_> = (0..8).map(|n| { let to = to.clone(); thread::spawn(move || { thread::sleep(Duration::from_millis(n)); to.send(n).unwrap(); }) }).collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    drop(to);
    println!("{}", from.iter().sum::<u64>());
    fs::create_dir_all("d/e").unwrap();
    writeln!(fs::File::create("d/e/f").unwrap(), "written").unwrap();
    println!("{:?} {}", fs::read_to_string("d/e/f"), fs::read_dir("d").unwrap().count());
    println!("{:?}", fs::read("none").map_err(|e| e.kind()));
    let done = Command::new("sh").args(["-c", "cat; exit 3"]).stdin(std::process::Stdio::null()).output().unwrap();
    println!("{:?} {:?}", done.status.code(), Command::new("no-such").spawn().map_err(|e| e.kind()).is_err());
    let mut map = HashMap::new();
    (0..1000).for_each(|n| *map.entry(n % 7).or_insert(0) += n);
    println!("{}", map[&3]);
    std::panic::set_hook(Box::new(|info| println!("{:?}", info.payload().downcast_ref::<&str>())));
    println!("{:?}", std::panic::catch_unwind(|| panic!("caught")).is_err());
    fs::remove_dir_all("d").unwrap();
    std::process::exit(5);
}
