"""pandas reads and writes through s3fs: python s3fs_frames.py."""

import pandas
import s3fs

files = s3fs.S3FileSystem()
files.mkdir("frames")
pandas.DataFrame({"x": [1, 3], "y": [2, 4]}).to_csv("s3://frames/in/a.csv", index=False)
frame = pandas.read_csv("s3://frames/in/a.csv")
frame.to_csv("s3://frames/out/b.csv", index=False)
print(files.cat("frames/out/b.csv"))
