echo data | tee >(cat > copy) > /dev/null; while [ ! -s copy ]; do sleep 0.02; done; cat copy
