touch a.jpeg b.jpeg c.txt; for f in *.jpeg; do mv "$f" "${f%.jpeg}.jpg"; done; ls
