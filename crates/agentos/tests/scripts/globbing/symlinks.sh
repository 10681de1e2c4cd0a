mkdir d; touch d/f; ln -s d l; ln -s none broken; echo * l/*
