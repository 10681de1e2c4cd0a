//! Many VMs that did not exist, at once.

use super::House;
use crate::bench::Scale;
use crate::bench::row::Row;
use crate::error::Error;
use std::time::Instant;

/// `serve_burst200`: the time until 200 VMs that did not exist have answered their first command.
pub(crate) async fn burst(scale: Scale) -> Result<Vec<Row>, Error> {
    let mut times = Vec::new();
    for round in 0..scale.of(10) {
        let house = House::new().await?;
        let start = Instant::now();
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let client = house.client.clone();
                tokio::spawn(async move {
                    let vm = client.vm("vm").get_or_create([format!("{round}-{n}")]).await?;
                    vm.exec("echo hello").await
                })
            })
            .collect();
        super::all(tasks).await?;
        times.push(start.elapsed());
        house.end().await;
    }
    Ok(vec![Row::times("serve_burst200", &times)])
}
