"""pandas reads and writes through s3fs: python s3fs_frames.py."""

import boto3
import pandas

boto3.client("s3").create_bucket(Bucket="frames")
pandas.DataFrame({"x": [1, 3], "y": [2, 4]}).to_csv("s3://frames/in/a.csv", index=False)
frame = pandas.read_csv("s3://frames/in/a.csv")
frame.to_csv("s3://frames/out/b.csv", index=False)
print(boto3.client("s3").get_object(Bucket="frames", Key="out/b.csv")["Body"].read())
