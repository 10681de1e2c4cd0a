date -u -d '2024-02-29 12:34:56' '+%Y-%m-%dT%H:%M:%S'; date -u -d @0 +%s; date -u -d '2024-01-01' '+%A %j %U %u'; date -u -d '2024-03-01 -1 day' +%F; date -u -d '2024-01-31 10:00' '+%I:%M %p'
