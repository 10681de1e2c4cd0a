factor 12 97 1001; numfmt --to=iec 1048576; numfmt --from=iec 2K; numfmt --grouping 1 2>/dev/null || true; echo 1234 | numfmt --to=iec
