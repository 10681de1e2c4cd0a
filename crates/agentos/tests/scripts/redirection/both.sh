{ echo a; echo b >&2; } &> f; sort f; { echo c; echo d >&2; } &>> f; sort f; { echo x; echo y >&2; } |& sort
