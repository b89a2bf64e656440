[0004]                    Signature : "FACS"
[0004]                       Length : 00000040
[0004]           Hardware Signature : 01020304
[0004]    32 Firmware Waking Vector : 05060708
[0004]                  Global Lock : 090A0B0C
[0004]        Flags (decoded below) : 00000003
                      S4BIOS Support Present : 1
                  64-bit Wake Supported (V2) : 1
[0008]    64 Firmware Waking Vector : 1122334455667788
[0001]                      Version : 02
[0003]                     Reserved : 000000
[0004]    OspmFlags (decoded below) : 00000001
               64-bit Wake Env Required (V2) : 1
