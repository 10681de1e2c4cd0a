mkdir d; touch d/f; echo ./d/* d/../d/* "$PWD"/d/* | sed "s|$PWD|PWD|g"
