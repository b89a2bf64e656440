[0004]                    Signature : "BGRT"
[0004]                 Table Length : 00000038
[0001]                     Revision : 01
[0001]                     Checksum : 7B
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0002]                      Version : 0001
[0001]       Status (decoded below) : 03
                                   Displayed : 1
                          Orientation Offset : 1
[0001]                   Image Type : 01
[0008]                Image Address : 0706050403020102
[0004]                Image OffsetX : 03020103
[0004]                Image OffsetY : 03020104
