//! Writing the output folder: order, interruption at every operation, what is foreign or edited.
