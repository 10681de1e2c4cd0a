;; The guest of the loopback measurements. What it does depends on how many arguments it gets besides its name:
;;
;;   none   a server at port 5001 that reads one connection to its end and then answers with a byte
;;   1      a server at port 5002 that sends back what it gets
;;   2      a client that writes 256 MiB to port 5001 and waits for the answer
;;   3      a client that plays a byte forth and back with port 5002, 20,000 times
;;
;; A server writes a byte to its standard output when it listens, a client the nanoseconds it took, as 8 bytes.
(module
  (import "agentos_v1" "sock_open" (func $open (param i32 i32 i32 i32) (result i32)))
  (import "agentos_v1" "sock_bind" (func $bind (param i32 i32 i32) (result i32)))
  (import "agentos_v1" "sock_listen" (func $listen (param i32 i32) (result i32)))
  (import "agentos_v1" "sock_connect" (func $connect (param i32 i32 i32) (result i32)))
  (import "agentos_v1" "sock_accept_from" (func $accept (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_shutdown" (func $shutdown (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 6)
  ;; 0: the address 127.0.0.1:5001; 16: a vector; 24: its count; 32: the socket; 36: the connection; 40: arguments
  (data (i32.const 0) "\02\00\89\13\7f\00\00\01")

  (func $ok (param $errno i32) (if (local.get $errno) (then unreachable)))

  (func $vector (param $at i32) (param $len i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $len)))

  (func $read (param $fd i32) (param $len i32) (result i32)
    (call $vector (i32.const 65536) (local.get $len))
    (call $ok (call $fd_read (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24)))
    (i32.load (i32.const 24)))

  (func $write (param $fd i32) (param $at i32) (param $len i32)
    (call $vector (local.get $at) (local.get $len))
    (call $ok (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24))))

  (func $serve (result i32)
    (call $ok (call $bind (i32.load (i32.const 32)) (i32.const 0) (i32.const 8)))
    (call $ok (call $listen (i32.load (i32.const 32)) (i32.const 1)))
    (call $write (i32.const 1) (i32.const 65536) (i32.const 1))
    (call $ok (call $accept (i32.load (i32.const 32)) (i32.const 0) (i32.const 128) (i32.const 0) (i32.const 36) (i32.const 56)))
    (i32.load (i32.const 36)))

  (func $sink (local $fd i32)
    (local.set $fd (call $serve))
    (loop $more (br_if $more (call $read (local.get $fd) (i32.const 131072))))
    (call $write (local.get $fd) (i32.const 65536) (i32.const 1)))

  (func $echo (local $fd i32) (local $n i32)
    (local.set $fd (call $serve))
    (loop $more
      (local.set $n (call $read (local.get $fd) (i32.const 4096)))
      (if (local.get $n)
        (then
          (call $write (local.get $fd) (i32.const 65536) (local.get $n))
          (br $more)))))

  (func $begin (result i32)
    (call $ok (call $connect (i32.load (i32.const 32)) (i32.const 0) (i32.const 8)))
    (call $ok (call $clock (i32.const 1) (i64.const 0) (i32.const 64)))
    (i32.load (i32.const 32)))

  (func $report
    (call $ok (call $clock (i32.const 1) (i64.const 0) (i32.const 72)))
    (i64.store (i32.const 80) (i64.sub (i64.load (i32.const 72)) (i64.load (i32.const 64))))
    (call $write (i32.const 1) (i32.const 80) (i32.const 8)))

  (func $source (local $fd i32) (local $left i32)
    (local.set $fd (call $begin))
    (local.set $left (i32.const 2048))
    (loop $more
      (call $write (local.get $fd) (i32.const 65536) (i32.const 131072))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $more (local.get $left)))
    (call $ok (call $shutdown (local.get $fd) (i32.const 2)))
    (drop (call $read (local.get $fd) (i32.const 1)))
    (call $report))

  (func $ping (local $fd i32) (local $left i32)
    (local.set $fd (call $begin))
    (local.set $left (i32.const 20000))
    (loop $more
      (call $write (local.get $fd) (i32.const 65536) (i32.const 1))
      (drop (call $read (local.get $fd) (i32.const 1)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $more (local.get $left)))
    (call $report))

  (func (export "_start") (local $role i32)
    (call $ok (call $args (i32.const 40) (i32.const 44)))
    (local.set $role (i32.sub (i32.load (i32.const 40)) (i32.const 1)))
    ;; The odd ones are about port 5002.
    (if (i32.and (local.get $role) (i32.const 1)) (then (i32.store8 (i32.const 2) (i32.const 0x8a))))
    (call $ok (call $open (i32.const 2) (i32.const 1) (i32.const 0) (i32.const 32)))
    (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 (local.get $role)))
      (call $sink) (return))
      (call $echo) (return))
      (call $source) (return))
    (call $ping)))
