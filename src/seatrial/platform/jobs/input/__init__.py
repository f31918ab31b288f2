"""How the input channels of a job reach its container: what each holds, and File, FastFile and Pipe mode."""
