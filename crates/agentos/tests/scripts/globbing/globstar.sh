mkdir -p d/e/f; touch d/1.t d/e/2.t d/e/f/3.t; shopt -s globstar; echo **/*.t; echo d/**; shopt -u globstar; echo **/*.t
