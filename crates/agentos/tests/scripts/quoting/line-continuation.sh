echo one \
  two \
  three
if true && \
   true; then echo joined; fi
